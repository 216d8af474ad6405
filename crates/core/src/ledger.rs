//! The ledger of quota: reserve before a request goes on, settle when it has ended.
//!
//! All that a key has spent stands in one value of a shared store, so that one compare-and-swap charges every
//! limit that applies or none. [`reserve`] decides purely and commits by retrying the swap; a
//! [`Reservation`] can only come from it and is consumed by [`Reservation::settle`].
//!
//! What it is not: no policy of its own (the limits come with the [`Account`]) and no clock.
//!
//! # Failure policy
//! The reservation is in the store before the request leaves. If the VM that holds it dies, its tokens are
//! not given back; the bucket refills over them. A store that fails, or swaps lost [`MAX_SWAPS`] times in a
//! row, is [`StoreError`]: the caller refuses with a retryable 503 and lets nothing pass unmetered.

use crate::ident::KeyId;
use crate::quota::{Exceeded, Limit, Nanos, Standing, Tat};

/// How often a lost swap is tried again. A swap takes about a microsecond, and each loss means that another worker got
/// through, so that this is never reached by load alone.
pub const MAX_SWAPS: u32 = 1_000;

/// A token for compare-and-swap: the version of a value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// What a failed swap means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// Another writer was first.
    #[error("the value was changed meanwhile")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the counter store cannot serve")]
pub struct StoreError;

/// Shared counters with compare-and-swap, as Envoy's shared data offers them.
pub trait CounterStore {
    /// The value under `key` and its version; `None` if it was never written.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError>;

    /// Writes `value` if the value is still at `expected`, or still absent for `None`.
    ///
    /// # Errors
    /// [`SwapError::Lost`] if it is not.
    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError>;
}

/// The limits of one key, compiled from its tier and its overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub requests: Limit,
    /// Tokens a minute.
    pub tokens: Limit,
}

/// Whose quota is spent, and by which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    key: Vec<u8>,
    limits: Limits,
}

impl Account {
    /// The account of a key.
    #[must_use]
    pub fn of(key: &KeyId, limits: Limits) -> Self {
        Self {
            key: [b"q/", key.as_str().as_bytes()].concat(),
            limits,
        }
    }
}

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests, normally one.
    pub requests: u64,
    /// Tokens reserved.
    pub tokens: u64,
}

/// What an account shows at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standings {
    /// The requests limit.
    pub requests: Standing,
    /// The tokens limit.
    pub tokens: Standing,
}

/// The limit that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
}

/// Why a cost was not reserved. Nothing was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReserved {
    /// A limit refused it.
    Limit {
        /// Which one; the one with the longest wait where several refuse.
        dimension: Dimension,
        /// How long to wait, or that waiting does not help.
        exceeded: Exceeded,
        /// Units asked of that limit.
        requested: u64,
        /// Both limits as they stand.
        standings: Standings,
    },
    /// The store failed.
    Store,
}

/// A cost that was charged and awaits its settlement.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation must be settled"]
pub struct Reservation {
    account: Account,
    tokens: u64,
    standings: Standings,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    requests: Tat,
    tokens: Tat,
}

impl Spent {
    const VERSION: u8 = 1;

    /// Bytes that are not of this version count as nothing spent: the state lives for a minute, and a
    /// refusal that cannot end would be worse.
    fn from_bytes(bytes: &[u8]) -> Self {
        let read = || {
            let body = bytes.strip_prefix(&[Self::VERSION])?;
            let (requests, tokens) = body.split_first_chunk::<8>()?;
            let tokens = <[u8; 8]>::try_from(tokens).ok()?;
            Some(Self {
                requests: Tat(u64::from_le_bytes(*requests)),
                tokens: Tat(u64::from_le_bytes(tokens)),
            })
        };
        read().unwrap_or_default()
    }

    fn to_bytes(self) -> [u8; 17] {
        let mut out = [Self::VERSION; 17];
        for (to, from) in out
            .iter_mut()
            .skip(1)
            .zip((self.requests.0.to_le_bytes().into_iter()).chain(self.tokens.0.to_le_bytes()))
        {
            *to = from;
        }
        out
    }

    fn standings(self, limits: &Limits, now: Nanos) -> Standings {
        Standings {
            requests: limits.requests.standing(self.requests, now),
            tokens: limits.tokens.standing(self.tokens, now),
        }
    }

    fn charge(self, limits: &Limits, cost: Cost, now: Nanos) -> Result<Self, NotReserved> {
        let requests = limits.requests.take(self.requests, cost.requests, now);
        let tokens = limits.tokens.take(self.tokens, cost.tokens, now);
        let (dimension, exceeded, requested) = match (requests, tokens) {
            (Ok(requests), Ok(tokens)) => return Ok(Self { requests, tokens }),
            (Err(r), Err(t)) if rank(t) > rank(r) => (Dimension::Tokens, t, cost.tokens),
            (Err(r), _) => (Dimension::Requests, r, cost.requests),
            (Ok(_), Err(t)) => (Dimension::Tokens, t, cost.tokens),
        };
        Err(NotReserved::Limit {
            dimension,
            exceeded,
            requested,
            standings: self.standings(limits, now),
        })
    }
}

fn rank(exceeded: Exceeded) -> Nanos {
    match exceeded {
        Exceeded::Wait(wait) => wait,
        Exceeded::Never => Nanos::MAX,
    }
}

/// Reads, decides and writes until nobody was in between.
fn update<T>(
    store: &impl CounterStore,
    account: &Account,
    mut decide: impl FnMut(Spent) -> Result<(Spent, T), NotReserved>,
) -> Result<T, NotReserved> {
    for _ in 0..MAX_SWAPS {
        let read = store.get(&account.key).map_err(|_| NotReserved::Store)?;
        let spent = read
            .as_ref()
            .map(|(v, _)| Spent::from_bytes(v))
            .unwrap_or_default();
        let (next, out) = decide(spent)?;
        match store.swap(&account.key, &next.to_bytes(), read.map(|(_, v)| v)) {
            Ok(()) => return Ok(out),
            Err(SwapError::Lost) => {}
            Err(SwapError::Store(_)) => break,
        }
    }
    Err(NotReserved::Store)
}

/// Charges `cost` to every limit of the account, or to none.
///
/// # Errors
/// [`NotReserved`]: the limit that refused, or the store's failure.
pub fn reserve(
    store: &impl CounterStore,
    account: Account,
    cost: Cost,
    now: Nanos,
) -> Result<Reservation, NotReserved> {
    let standings = update(store, &account, |spent| {
        let next = spent.charge(&account.limits, cost, now)?;
        Ok((next, next.standings(&account.limits, now)))
    })?;
    Ok(Reservation {
        account,
        tokens: cost.tokens,
        standings,
    })
}

/// What the account shows, without spending.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn standings(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<Standings, StoreError> {
    let read = store.get(&account.key)?;
    let spent = read.map(|(v, _)| Spent::from_bytes(&v)).unwrap_or_default();
    Ok(spent.standings(&account.limits, now))
}

impl Reservation {
    /// Both limits as they stood right after the reservation.
    #[must_use]
    pub fn standings(&self) -> Standings {
        self.standings
    }

    /// The tokens reserved.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Replaces the reserved tokens by the `actual` ones. Requests stay charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the reservation then stays charged.
    pub fn settle(
        self,
        store: &impl CounterStore,
        actual: u64,
        now: Nanos,
    ) -> Result<(), StoreError> {
        if actual == self.tokens {
            return Ok(());
        }
        let limits = self.account.limits;
        update(store, &self.account, |spent| {
            let tokens = limits.tokens.settle(spent.tokens, self.tokens, actual, now);
            Ok((Spent { tokens, ..spent }, ()))
        })
        .map_err(|_| StoreError)
    }
}

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;
