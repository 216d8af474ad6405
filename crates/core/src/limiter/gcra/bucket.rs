//! A bucket with holds: units that are taken until it is known how many were used.
//!
//! It is the state of one limit. [`Bucket::hold`] takes units, and [`Bucket::settle`] replaces them by the actual ones,
//! as if only these had been taken at the hold. A unit must not be given back if the bucket would have been full
//! without it, since that would admit the same refill twice. So the bucket stores how much all open holds may still
//! give back (`lent`), which is never more than what it lacks to be full. When the bucket refills below that, the claim
//! of every hold shrinks by the same factor, so that the holds need not be listed.
//!
//! # Laws (held by the properties in `tests.rs`), for holds and settlements in any order
//! - In any window, the units admitted in it and used are at most `burst + rate × window + debt`, where debt is the
//!   use beyond what was held.
//! - A hold never costs more than taking the actual units at the settlement.
//! - If one hold is open at a time, the result is exactly as if the actual units had been taken at the hold.
//!
//! Why the first law holds: let `actual` be the state if every hold had taken its actual units only, and `owed` the
//! bucket's state less what its open holds will give back. Claims never exceed what the bucket lacks, so `owed` is
//! never before now. No step moves `actual` further than `owed`, so `actual ≤ owed ≤ state`. Whatever is admitted in
//! this state would be admitted in `actual`.
//!
//! Instants must not run backwards; [`crate::limiter`] ensures that.

use super::{Exceeded, Limit, Nanos, Tat};

/// The state of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The instant at which the bucket is full again.
    pub(crate) tat: Tat,
    /// How much the open holds may still give back, in nanoseconds.
    pub(crate) lent: Nanos,
    /// The current worth of a claim.
    pub(crate) worth: Worth,
}

/// Units that are held and must be settled with [`Bucket::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is held must be settled"]
pub struct Hold {
    units: u64,
    worth: Worth,
}

/// The product of all factors by which claims have shrunk. It only falls. A claim keeps the fraction of it that remains
/// since the claim was made.
///
/// It is `mantissa × 2^(-32 × scale)`, so that it can fall as long as a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    mantissa: u64,
    scale: u64,
}

const FULL: u64 = 1 << 63;
/// The least mantissa, so that a factor is exact to 2^-31.
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
    /// Makes a worth from its [`parts`](Self::parts); `None` if they are not valid.
    pub(crate) fn new(mantissa: u64, scale: u64) -> Option<Self> {
        (LEAST..=FULL)
            .contains(&mantissa)
            .then_some(Self { mantissa, scale })
    }

    /// The mantissa and the scale, to be stored.
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.mantissa, self.scale)
    }

    /// Multiplies by `part / whole`, rounded down.
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

    /// The rest of a claim that was made when the worth was `then`, rounded down.
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
    /// Takes units for good, without a hold.
    ///
    /// # Errors
    /// [`Exceeded`], as for [`Limit::take`]; nothing is spent.
    pub fn take(self, limit: &Limit, units: u64, now: Nanos) -> Result<Self, Exceeded> {
        let bucket = self.at(now);
        let tat = limit.take(bucket.tat, units, now)?;
        Ok(Self { tat, ..bucket })
    }

    /// Holds units until it is known how many were used.
    ///
    /// # Errors
    /// [`Exceeded`], as for [`Limit::take`]; nothing is spent.
    pub fn hold(self, limit: &Limit, units: u64, now: Nanos) -> Result<(Self, Hold), Exceeded> {
        let mut bucket = self.take(limit, units, now)?;
        bucket.lent = bucket.lent.saturating_add(limit.cost(units));
        let hold = Hold {
            units,
            worth: bucket.worth,
        };
        Ok((bucket, hold))
    }

    /// Replaces the held units by the `actual` ones. An excess is given back, and a shortfall becomes debt.
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

    /// Charges units that were used without a hold, whatever remains.
    #[must_use]
    pub fn owe(self, limit: &Limit, units: u64, now: Nanos) -> Self {
        let mut bucket = self.at(now);
        let tat = bucket.tat.0.max(now);
        bucket.tat = Tat(tat.saturating_add(limit.cost(units)));
        bucket
    }

    /// Shrinks the claims to what the bucket lacks at `now`. Without the rest it would have been full.
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
