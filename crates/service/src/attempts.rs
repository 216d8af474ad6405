//! Attempts to sign in, limited by address and by client.
//!
//! The limits are the core's GCRA, in memory: a restart forgives. The tables are bounded; when one is full, whoever has waited
//! longest is forgiven.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gmtech_core::limiter::gcra::{Exceeded, Limit, Tat};
use gmtech_core::time::Nanos;

use crate::secret::{self, TokenDigest};

/// How many an address may be tried at once, and a minute.
const OF_ADDRESS: [NonZeroU32; 2] = [
    NonZeroU32::MIN.saturating_add(9),
    NonZeroU32::MIN.saturating_add(4),
];

/// How many a client may try at once, and a minute.
const OF_CLIENT: [NonZeroU32; 2] = [
    NonZeroU32::MIN.saturating_add(29),
    NonZeroU32::MIN.saturating_add(19),
];

/// How many addresses and how many clients are remembered.
const REMEMBERED: usize = 10_000;

/// The attempts of all.
pub(crate) struct Attempts {
    since: Instant,
    of_address: Table,
    of_client: Table,
}

struct Table {
    limit: Limit,
    states: Mutex<HashMap<TokenDigest, Tat>>,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self {
            since: clock(),
            of_address: Table::new(OF_ADDRESS),
            of_client: Table::new(OF_CLIENT),
        }
    }

    /// Counts an attempt; how long to wait where there were too many.
    pub(crate) fn count(&self, address: &str, client: Option<IpAddr>) -> Result<(), Duration> {
        let now = Nanos::try_from(self.since.elapsed().as_nanos()).unwrap_or(Nanos::MAX);
        self.count_at(address, client, now)
    }

    fn count_at(&self, address: &str, client: Option<IpAddr>, now: Nanos) -> Result<(), Duration> {
        if let Some(client) = client {
            self.of_client.count(&network(client), now)?;
        }
        match address {
            "" => Ok(()),
            address => self.of_address.count(address, now),
        }
    }

    /// Forgives an address whose owner has signed in.
    pub(crate) fn forgive(&self, address: &str) {
        let mut states = self.of_address.lock();
        states.remove(&secret::digest(address));
    }
}

impl Table {
    fn new([burst, per_minute]: [NonZeroU32; 2]) -> Self {
        Self {
            limit: Limit::per_minute(per_minute).with_burst(burst),
            states: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TokenDigest, Tat>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, whose: &str, now: Nanos) -> Result<(), Duration> {
        let digest = secret::digest(whose);
        let mut states = self.lock();
        if states.len() >= REMEMBERED && !states.contains_key(&digest) {
            states.retain(|_, tat| tat.0 > now);
            if states.len() >= REMEMBERED {
                let oldest = states.iter().min_by_key(|(_, tat)| **tat);
                if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                    states.remove(&oldest);
                }
            }
        }
        let state = states.entry(digest).or_default();
        match self.limit.take(*state, 1, now) {
            Ok(next) => {
                *state = next;
                Ok(())
            }
            Err(Exceeded::Wait(wait)) => Err(Duration::from_nanos(wait)),
            Err(Exceeded::Never) => Err(Duration::from_secs(60)),
        }
    }
}

/// Who counts as one client: an IPv4 address, or the /64 of an IPv6 one.
fn network(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use gmtech_core::time::SECOND;

    use super::*;

    fn passed(
        attempts: &Attempts,
        count: usize,
        now: Nanos,
        of: impl Fn(usize) -> (String, IpAddr),
    ) -> usize {
        (0..count)
            .filter(|n| {
                let (address, client) = of(*n);
                attempts.count_at(&address, Some(client), now).is_ok()
            })
            .count()
    }

    #[test]
    fn one_address_is_tried_a_few_times_a_minute_from_wherever() {
        let attempts = Attempts::new();
        let of = |n: usize| {
            (
                "ada@example.com".to_owned(),
                IpAddr::from([10, 0, 0, n as u8]),
            )
        };
        assert_eq!(passed(&attempts, 200, 0, of), 10);
        assert_eq!(passed(&attempts, 200, 60 * SECOND, of), 5);
        attempts.forgive("ada@example.com");
        assert_eq!(passed(&attempts, 200, 60 * SECOND, of), 10);
    }

    #[test]
    fn one_client_tries_a_few_addresses_a_minute() {
        let attempts = Attempts::new();
        let of = |n: usize| (format!("a{n}@example.com"), "2001:db8::".parse().unwrap());
        assert_eq!(passed(&attempts, 200, 0, of), 30);
        let neighbour = |n: usize| {
            (
                format!("b{n}@example.com"),
                format!("2001:db8::{n:x}").parse().unwrap(),
            )
        };
        assert_eq!(passed(&attempts, 200, 0, neighbour), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::new();
        for n in 0..REMEMBERED + 100 {
            let _ = attempts.count_at(&format!("a{n}@example.com"), None, n as Nanos);
        }
        assert!(attempts.of_address.lock().len() <= REMEMBERED);
    }
}
