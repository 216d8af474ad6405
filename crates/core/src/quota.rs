//! Limits as GCRA, on integers.
//!
//! The generic cell rate algorithm (ITU-T I.371) is a bucket that refills continuously: its whole state
//! is one instant, the *theoretical arrival time* ([`Tat`]), at which the bucket will be full again.
//! Each unit costs one *emission interval* of time; a request is admitted while the state stays
//! within `burst` intervals of now. It is what OpenAI's published numbers show, and a client that waits
//! the promised time always gets through if nobody else spends in between.
//!
//! What it is not: no store and no clock. [`crate::ledger`] keeps the state, `now` is an argument.
//!
//! # Laws (held by the properties below)
//! - From a full bucket exactly `burst` units pass at one instant, however they are cut into requests.
//! - Denied before the promised instant, allowed at it.
//! - Over any span admitted units never exceed `burst + rate × span`; the rate falls short of the nominal one
//!   by less than `per_minute / 6e10` of it, since the interval is rounded up to a whole nanosecond.
//! - Debt is carried: a settlement above the reservation moves the state as far as it is.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// A monotonic instant or a span, in nanoseconds.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

const MINUTE: Nanos = 60 * SECOND;

/// The instant at which a bucket is full again: all the state that a limit has. In the past (zero, for
/// a limit never used) it means full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tat(pub Nanos);

/// Units a minute, with a burst: a rate that cannot be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

/// What replaces a tier's limits for one key; `None` keeps the tier's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitOverrides {
    /// Requests a minute.
    #[serde(default)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at once from a full bucket; as many as a minute's by default.
    #[serde(default)]
    pub requests_burst: Option<NonZeroU32>,
    /// Tokens a minute.
    #[serde(default)]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Tokens at once from a full bucket; as many as a minute's by default.
    #[serde(default)]
    pub tokens_burst: Option<NonZeroU32>,
    /// Requests under way at once; no cap by default.
    #[serde(default)]
    pub max_in_flight: Option<NonZeroU32>,
}

/// Why a cost was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// It fits after waiting this long (at least 1 ns) if nobody else spends in between.
    Wait(Nanos),
    /// It is larger than the limit ever allows at once.
    Never,
}

/// What a limit shows of itself at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Units a minute.
    pub limit: u32,
    /// Units spent and not yet restored, rounded up; above the burst where there is debt.
    pub used: u64,
    /// Whole units that would be admitted now.
    pub remaining: u32,
    /// Until fully restored.
    pub reset: Nanos,
}

impl Limit {
    /// `per_minute` units a minute, all of which may come at once.
    #[must_use]
    pub fn per_minute(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            burst: per_minute,
        }
    }

    /// The same rate with another burst.
    #[must_use]
    pub fn with_burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// The most units that can be admitted at one instant.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    /// The time that `units` cost, in nanoseconds; saturates.
    #[must_use]
    pub fn cost(&self, units: u64) -> Nanos {
        let interval = MINUTE.div_ceil(u64::from(self.per_minute.get()));
        interval.saturating_mul(units)
    }

    fn tolerance(&self) -> Nanos {
        self.cost(u64::from(self.burst.get()))
    }

    /// Admits `units` at `now`: the new state, or why not. Nothing is spent by a refusal.
    ///
    /// # Errors
    /// [`Exceeded`]: how long to wait, or that no wait helps.
    pub fn take(&self, tat: Tat, units: u64, now: Nanos) -> Result<Tat, Exceeded> {
        if units > u64::from(self.burst.get()) {
            return Err(Exceeded::Never);
        }
        let next = tat.0.max(now).saturating_add(self.cost(units));
        let over = next.saturating_sub(now).saturating_sub(self.tolerance());
        if over == 0 {
            Ok(Tat(next))
        } else {
            Err(Exceeded::Wait(over))
        }
    }

    /// Replaces `reserved` units, taken earlier, by the `actual` ones: gives back what was too much,
    /// carries as debt what was too little.
    #[must_use]
    pub fn settle(&self, tat: Tat, reserved: u64, actual: u64, now: Nanos) -> Tat {
        if actual >= reserved {
            let debt = self.cost(actual.saturating_sub(reserved));
            if debt == 0 {
                return tat;
            }
            return Tat(tat.0.max(now).saturating_add(debt));
        }
        Tat(tat
            .0
            .saturating_sub(self.cost(reserved.saturating_sub(actual))))
    }

    /// What the limit shows at `now`.
    #[must_use]
    pub fn standing(&self, tat: Tat, now: Nanos) -> Standing {
        let reset = tat.0.saturating_sub(now);
        let free = self.tolerance().saturating_sub(reset);
        let remaining = free.checked_div(self.cost(1)).unwrap_or(0);
        Standing {
            limit: self.per_minute.get(),
            used: reset.div_ceil(self.cost(1).max(1)),
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T0: Nanos = 5_000 * SECOND;

    fn limit(per_minute: u32) -> Limit {
        Limit::per_minute(NonZeroU32::new(per_minute).unwrap())
    }

    #[test]
    fn a_free_key_gets_60_at_once_and_then_one_a_second() {
        let free = limit(60);
        let mut tat = Tat::default();
        for _ in 0..60 {
            tat = free.take(tat, 1, T0).unwrap();
        }
        assert_eq!(free.take(tat, 1, T0), Err(Exceeded::Wait(SECOND)));
        assert_eq!(
            free.standing(tat, T0),
            Standing {
                limit: 60,
                used: 60,
                remaining: 0,
                reset: 60 * SECOND
            }
        );
        let tat = free.take(tat, 1, T0 + SECOND).unwrap();
        assert_eq!(free.take(tat, 1, T0 + SECOND), Err(Exceeded::Wait(SECOND)));
    }

    #[test]
    fn openai_promises_the_same_wait() {
        // "Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s."
        let tpm = limit(10_000);
        let tat = tpm.take(Tat::default(), 8_554, T0).unwrap();
        assert_eq!(tpm.take(tat, 3_082, T0), Err(Exceeded::Wait(9_816_000_000)));
    }

    #[test]
    fn what_is_larger_than_the_burst_never_fits() {
        assert_eq!(limit(60).take(Tat::default(), 61, T0), Err(Exceeded::Never));
        let bursty = limit(60).with_burst(NonZeroU32::new(5).unwrap());
        assert_eq!(bursty.take(Tat::default(), 6, T0), Err(Exceeded::Never));
        assert!(bursty.take(Tat::default(), 5, T0).is_ok());
    }

    #[test]
    fn debt_is_carried_and_a_refund_never_overfills() {
        let tpm = limit(60_000);
        let reserved = tpm.take(Tat::default(), 100, T0).unwrap();
        let debt = tpm.settle(reserved, 100, 90_000, T0);
        assert_eq!(
            tpm.take(debt, 1, T0),
            Err(Exceeded::Wait(30 * SECOND + tpm.cost(1)))
        );
        let refunded = tpm.settle(reserved, 100, 0, T0 + 50 * SECOND);
        assert_eq!(tpm.standing(refunded, T0 + 50 * SECOND).remaining, 60_000);
    }

    fn any_limit() -> impl Strategy<Value = Limit> {
        (1u32..2_000_000, 1u32..2_000_000)
            .prop_map(|(rate, burst)| limit(rate).with_burst(NonZeroU32::new(burst).unwrap()))
    }

    proptest! {
        #[test]
        fn denied_before_the_promised_instant_allowed_at_it(
            l in any_limit(), used in 0u64..4_000_000, units in 1u64..2_000_000, elapsed in 0..MINUTE,
        ) {
            let used = l.settle(Tat::default(), 0, used, T0);
            let now = T0 + elapsed;
            match l.take(used, units, now) {
                Ok(_) => prop_assert!(units <= u64::from(l.burst())),
                Err(Exceeded::Never) => prop_assert!(units > u64::from(l.burst())),
                Err(Exceeded::Wait(wait)) => {
                    prop_assert!(l.take(used, units, now + wait).is_ok());
                    prop_assert_eq!(l.take(used, units, now + wait - 1), Err(Exceeded::Wait(1)));
                }
            }
        }

        #[test]
        fn exactly_the_burst_passes_at_one_instant(l in any_limit(), cuts in proptest::collection::vec(1u64..50_000, 1..40)) {
            let mut tat = Tat::default();
            let mut left = u64::from(l.burst());
            for units in cuts {
                match l.take(tat, units, T0) {
                    Ok(next) => { prop_assert!(units <= left); left -= units; tat = next; }
                    Err(_) => prop_assert!(units > left),
                }
                prop_assert_eq!(u64::from(l.standing(tat, T0).remaining), left);
            }
        }

        #[test]
        fn no_span_admits_more_than_burst_plus_rate(
            l in any_limit(), steps in proptest::collection::vec((0..5 * SECOND, 1u64..100_000), 1..60),
        ) {
            let (mut tat, mut now, mut admitted) = (Tat::default(), T0, 0u64);
            for (pause, units) in steps {
                now += pause;
                if let Ok(next) = l.take(tat, units, now) { tat = next; admitted += units; }
            }
            let allowed = l.tolerance() as u128 + (now - T0) as u128;
            prop_assert!(l.cost(1) as u128 * admitted as u128 <= allowed);
        }

        #[test]
        fn settling_at_once_is_as_if_the_actual_cost_had_been_taken(
            l in any_limit(), used in 0u64..1_000_000, reserved in 0u64..1_000_000, actual in 0u64..1_000_000,
        ) {
            let before = l.settle(Tat::default(), 0, used, T0);
            if let Ok(taken) = l.take(before, reserved, T0) {
                let settled = l.settle(taken, reserved, actual, T0);
                let direct = before.0.max(T0) + l.cost(actual);
                prop_assert_eq!(settled.0.max(T0), direct);
            }
        }
    }
}
