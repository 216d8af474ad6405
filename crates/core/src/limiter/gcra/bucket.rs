//! A bucket that knows what it has lent: units that are held until it is known how many were used.
//!
//! What it is: the state of one limit. [`Bucket::hold`] takes units, [`Bucket::settle`] replaces them by the actual
//! ones, as if these alone had been taken when they were held. A unit that is given back must not count as
//! given back if the bucket would have been full without it: it would then admit the same refill twice.
//! So the bucket keeps how much it may still give back at most (`lent`), and that is never more than what it lacks. When
//! time makes it so, every hold's claim shrinks by the same factor: the holds need not be listed.
//!
//! # Laws (held by the properties in `tests.rs`), for holds and settlements in any order
//! - In any window, what was admitted in it and used is at most `burst + rate × window + debt`, where debt is what was used
//!   beyond what was held.
//! - Nothing is dearer than if the actual units had been taken at the settlement.
//! - Where one hold is open at a time, it is exactly as if the actual units had been taken at the start.
//!
//! Why the first law holds: let `actual` be the state had every hold taken its actual units only, and `owed` the
//! bucket's own, less what its open holds are going to give back. Claims never exceed what the bucket lacks, so
//! `owed` is never before now, and no step moves `actual` further than `owed`: `actual ≤ owed ≤ state`. What is
//! admitted in this state would have been admitted in `actual`.
//!
//! Instants must not run backwards; [`crate::limiter`] sees to it.

use super::{Exceeded, Limit, Nanos, Tat};

/// The state of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When it is full again.
    pub(crate) tat: Tat,
    /// What the open holds may still give back.
    pub(crate) lent: Nanos,
    /// What a claim is worth now.
    pub(crate) worth: Worth,
}

/// Units that are held and must be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is held must be settled"]
pub struct Hold {
    units: u64,
    worth: Worth,
}

/// A number that only falls: the product of all factors by which claims have shrunk. The worth of a claim is the
/// quotient of two.
///
/// It is `mantissa × 2^(-32 × scale)`, so that it can fall for as long as a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    mantissa: u64,
    scale: u64,
}

const FULL: u64 = 1 << 63;
/// The least mantissa: a factor is exact to 2^-31.
const LEAST: u64 = 1 << 31;
/// Steps of the scale after which an older claim is worth nothing.
const NOTHING: u64 = 4;

impl Default for Worth {
    fn default() -> Self {
        Self {
            mantissa: FULL,
            scale: 0,
        }
    }
}

impl Worth {
    /// From its [`parts`](Self::parts); `None` if these are none of a worth's.
    pub(crate) fn new(mantissa: u64, scale: u64) -> Option<Self> {
        (LEAST..=FULL)
            .contains(&mantissa)
            .then_some(Self { mantissa, scale })
    }

    /// The mantissa and the scale, to be stored.
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.mantissa, self.scale)
    }

    /// Falls by the factor `part / whole`, rounded down.
    pub(super) fn fall(self, part: Nanos, whole: Nanos) -> Self {
        let product = u128::from(self.mantissa).saturating_mul(u128::from(part));
        let mut mantissa = narrow(product.checked_div(u128::from(whole)).unwrap_or(0));
        let mut scale = self.scale;
        if mantissa == 0 {
            return Self {
                mantissa: FULL,
                scale: scale.saturating_add(NOTHING),
            };
        }
        while mantissa < LEAST {
            mantissa <<= 32;
            scale = scale.saturating_add(1);
        }
        Self { mantissa, scale }
    }

    /// What is left of a claim that was made when the worth was `then`, rounded down.
    pub(super) fn left_of(self, claim: Nanos, then: Self) -> Nanos {
        let steps = match self.scale.checked_sub(then.scale) {
            Some(steps) if steps < NOTHING => steps,
            _ => return 0,
        };
        let product = u128::from(claim).saturating_mul(u128::from(self.mantissa));
        let left = product.checked_div(u128::from(then.mantissa)).unwrap_or(0);
        narrow(left >> (32 * steps))
    }
}

fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}

impl Bucket {
    /// Takes units for good.
    ///
    /// # Errors
    /// [`Exceeded`], as [`Limit::take`]; nothing is spent then.
    pub fn take(self, limit: &Limit, units: u64, now: Nanos) -> Result<Self, Exceeded> {
        let bucket = self.at(now);
        let tat = limit.take(bucket.tat, units, now)?;
        Ok(Self { tat, ..bucket })
    }

    /// Takes units until it is known how many were used.
    ///
    /// # Errors
    /// [`Exceeded`], as [`Limit::take`]; nothing is spent then.
    pub fn hold(self, limit: &Limit, units: u64, now: Nanos) -> Result<(Self, Hold), Exceeded> {
        let mut bucket = self.take(limit, units, now)?;
        bucket.lent = bucket.lent.saturating_add(limit.cost(units));
        let hold = Hold {
            units,
            worth: bucket.worth,
        };
        Ok((bucket, hold))
    }

    /// Replaces what is held by the `actual` units: gives back what was too much, carries as debt what was too
    /// little.
    #[must_use]
    pub fn settle(self, limit: &Limit, hold: Hold, actual: u64, now: Nanos) -> Self {
        let mut bucket = self.at(now);
        let claim = bucket.worth.left_of(limit.cost(hold.units), hold.worth);
        bucket.lent = bucket.lent.saturating_sub(claim);
        let tat = bucket.tat.0;
        let too_much = limit.cost(hold.units.saturating_sub(actual));
        let debt = limit.cost(actual.saturating_sub(hold.units));
        bucket.tat = Tat(if debt > 0 {
            tat.max(now).saturating_add(debt)
        } else {
            tat.saturating_sub(too_much.min(claim))
        });
        bucket
    }

    /// Charges units that were used without being held, whatever there is left.
    #[must_use]
    pub fn owe(self, limit: &Limit, units: u64, now: Nanos) -> Self {
        let mut bucket = self.at(now);
        let tat = bucket.tat.0.max(now);
        bucket.tat = Tat(tat.saturating_add(limit.cost(units)));
        bucket
    }

    /// Claims that exceed what the bucket lacks have come to nothing: without them it would have been full.
    fn at(mut self, now: Nanos) -> Self {
        let lacks = self.tat.0.saturating_sub(now);
        if lacks < self.lent {
            self.worth = self.worth.fall(lacks, self.lent);
            self.lent = lacks;
        }
        self
    }
}

impl Hold {
    /// How many units are held.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }
}
