//! A key's own limits, and the ranges of all limits. A value outside its range could not be counted, and the limit
//! would silently have no effect.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::limiter::gcra::Limit;

/// The range of a rate, in units a minute. A larger rate would be rounded by more than 2 % (see
/// [`crate::limiter::gcra`]).
pub const RATES: RangeInclusive<u32> = 1..=1_000_000_000;

/// The range of a burst, in units. [`LimitOverrides::check`] also requires that it refills within 31 years.
pub const BURSTS: RangeInclusive<u32> = 1..=u32::MAX;

/// The range of a limit of requests in flight. All their places are read and written with every request.
pub const IN_FLIGHT: RangeInclusive<u32> = 1..=1_024;

/// Cuts a limit of requests in flight to [`IN_FLIGHT`].
#[must_use]
pub fn countable_in_flight(requested: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(requested.get().min(*IN_FLIGHT.end())).unwrap_or(requested)
}

/// The limits of one key that replace those of its tier; `None` keeps the tier's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitOverrides {
    /// Requests a minute.
    #[serde(default)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at once from a full bucket; by default as many as in a minute.
    #[serde(default)]
    pub requests_burst: Option<NonZeroU32>,
    /// Tokens a minute.
    #[serde(default)]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Tokens at once from a full bucket; by default as many as in a minute.
    #[serde(default)]
    pub tokens_burst: Option<NonZeroU32>,
    /// Requests in flight at once; not limited by default.
    #[serde(default)]
    pub max_in_flight: Option<NonZeroU32>,
}

/// A limit that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct OutOfRange {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl LimitOverrides {
    /// Checks every field. A burst is checked against its own rate, or else against the rate in `otherwise`, the tier's
    /// limits.
    ///
    /// # Errors
    /// [`OutOfRange`] for the first field that is out of range.
    pub fn check(&self, otherwise: &Self) -> Result<(), OutOfRange> {
        bucket(
            (self.requests_per_minute, otherwise.requests_per_minute),
            self.requests_burst,
            ["requests_per_minute", "requests_burst"],
        )?;
        bucket(
            (self.tokens_per_minute, otherwise.tokens_per_minute),
            self.tokens_burst,
            ["tokens_per_minute", "tokens_burst"],
        )?;
        match self.max_in_flight {
            Some(cap) if !IN_FLIGHT.contains(&cap.get()) => Err(OutOfRange {
                field: "max_in_flight",
                problem: format!("is more than {}", IN_FLIGHT.end()),
            }),
            _ => Ok(()),
        }
    }
}

fn bucket(
    (rate, otherwise): (Option<NonZeroU32>, Option<NonZeroU32>),
    burst: Option<NonZeroU32>,
    [rate_field, burst_field]: [&'static str; 2],
) -> Result<(), OutOfRange> {
    if rate.is_some_and(|rate| !RATES.contains(&rate.get())) {
        return Err(OutOfRange {
            field: rate_field,
            problem: format!("is more than {} a minute", RATES.end()),
        });
    }
    let (Some(rate), Some(burst)) = (rate.or(otherwise), burst) else {
        return Ok(());
    };
    let held_to = Limit::per_minute(rate).with_burst(burst).burst();
    if held_to < burst.get() {
        let problem =
            format!("is more than {held_to}, which takes 31 years to refill at {rate} a minute");
        return Err(OutOfRange {
            field: burst_field,
            problem,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused_with_their_field() {
        let overrides = |json: &str| serde_json::from_str::<LimitOverrides>(json).unwrap();
        let free = overrides(r#"{"requests_per_minute":60,"tokens_per_minute":1}"#);
        let none = LimitOverrides::default();
        for (json, tier, field) in [
            ("{}", &free, None),
            (
                r#"{"requests_per_minute":1000000000,"max_in_flight":1024}"#,
                &none,
                None,
            ),
            (
                r#"{"requests_per_minute":1000000001}"#,
                &none,
                Some("requests_per_minute"),
            ),
            (
                r#"{"tokens_per_minute":4294967295}"#,
                &none,
                Some("tokens_per_minute"),
            ),
            (r#"{"max_in_flight":1025}"#, &none, Some("max_in_flight")),
            (
                r#"{"requests_per_minute":1,"requests_burst":1000000000}"#,
                &none,
                Some("requests_burst"),
            ),
            (r#"{"requests_burst":1000000000}"#, &free, None),
            // Whether it is right depends on the tier.
            (r#"{"tokens_burst":1000000000}"#, &none, None),
            (
                r#"{"tokens_burst":1000000000}"#,
                &free,
                Some("tokens_burst"),
            ),
            (
                r#"{"tokens_per_minute":60,"tokens_burst":1000000000}"#,
                &free,
                None,
            ),
        ] {
            let refused = overrides(json).check(tier).err().map(|e| e.field);
            assert_eq!(refused, field, "{json}");
        }
    }
}
