//! Limits as GCRA, on integers.
//!
//! The generic cell rate algorithm (ITU-T I.371) is a bucket that refills continuously. Its state is one instant, the
//! *theoretical arrival time* ([`Tat`]), at which the bucket is full again. Each unit costs one *emission interval*,
//! and a request is admitted if the state stays within `burst` intervals of now. OpenAI's published numbers behave like
//! this. A client that waits the promised time is admitted, unless another spends in between.
//!
//! What it is not: it has no store and no clock. [`super`] stores the state, and `now` is an argument.
//!
//! # Laws (held by the properties below)
//! - From a full bucket exactly `burst` units pass at one instant, however they are cut into requests.
//! - A request is denied before the promised instant and admitted at it.
//! - Over any span admitted units never exceed `burst + rate × span`; the rate falls short of the nominal one
//!   by less than `per_minute / 6e10` of it, since the interval is rounded up to a whole nanosecond.
//! - Units that are held and given back obey the same bound: [`Bucket`].
//! - No instant saturates: every burst refills within [`LONGEST_REFILL`].

use std::num::NonZeroU32;

use crate::time::{MINUTE, Nanos, SECOND};

mod bucket;

pub(crate) use bucket::Worth;
pub use bucket::{Bucket, Hold};

/// The longest time in which a burst may refill, about 31 years. With longer times instants would not fit into 64 bits,
/// and a limit that saturates has no effect.
pub const LONGEST_REFILL: Nanos = 1_000_000_000 * SECOND;

/// The instant at which a bucket is full again, which is the whole state of a limit. If it is in the past, the bucket
/// is full; zero is the state of a limit that was never used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tat(pub Nanos);

/// A rate in units a minute, with a burst. Neither can be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

/// Why a cost was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// It is admitted after this wait (at least 1 ns), unless another spends in between.
    Wait(Nanos),
    /// It exceeds the burst, so no wait helps.
    Never,
}

/// The standing of a limit at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Units a minute.
    pub limit: u32,
    /// Units spent and not yet restored, rounded up. It exceeds the burst if there is debt.
    pub used: u64,
    /// Whole units that would be admitted now.
    pub remaining: u32,
    /// Nanoseconds until fully restored.
    pub reset: Nanos,
}

impl Limit {
    /// A limit of `per_minute` units a minute, with a burst of the same size.
    #[must_use]
    pub fn per_minute(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute,
            burst: per_minute,
        }
    }

    /// The same rate with another burst, cut to the largest that refills within [`LONGEST_REFILL`].
    #[must_use]
    pub fn with_burst(self, burst: NonZeroU32) -> Self {
        let largest = LONGEST_REFILL.checked_div(self.cost(1)).unwrap_or(0);
        let largest = NonZeroU32::new(u32::try_from(largest).unwrap_or(u32::MAX));
        Self {
            burst: burst.min(largest.unwrap_or(NonZeroU32::MIN)),
            ..self
        }
    }

    /// Units a minute.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.per_minute.get()
    }

    /// The most units that can be admitted at one instant.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    /// The time that `units` cost, in nanoseconds. It saturates.
    #[must_use]
    pub fn cost(&self, units: u64) -> Nanos {
        let interval = MINUTE.div_ceil(u64::from(self.per_minute.get()));
        interval.saturating_mul(units)
    }

    fn tolerance(&self) -> Nanos {
        self.cost(u64::from(self.burst.get()))
    }

    /// Takes `units` at `now` and returns the new state. A refusal spends nothing.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use gmtech_core::limiter::gcra::{Exceeded, Limit, Tat};
    /// use gmtech_core::time::SECOND;
    ///
    /// // 60 a minute, at most two at once.
    /// let limit = Limit::per_minute(NonZeroU32::new(60).unwrap());
    /// let limit = limit.with_burst(NonZeroU32::new(2).unwrap());
    /// let spent = limit.take(Tat::default(), 2, 0).unwrap();
    /// assert_eq!(limit.take(spent, 1, 0), Err(Exceeded::Wait(SECOND)));
    /// assert!(limit.take(spent, 1, SECOND).is_ok());
    /// assert_eq!(limit.take(spent, 3, SECOND), Err(Exceeded::Never));
    /// ```
    ///
    /// # Errors
    /// [`Exceeded`]: the wait, or that no wait helps.
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

    /// The standing of the limit at `now`.
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
mod tests;
