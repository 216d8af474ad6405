//! A key's own limits, and what a limit may be at all: what can be counted, so that none silently does nothing.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::limiter::gcra::Limit;

/// What a rate can be, in units a minute. A larger one would be rounded by more than 2 % (see [`crate::limiter::gcra`]).
pub const RATES: RangeInclusive<u32> = 1..=1_000_000_000;

/// What a burst can be, in units, whatever the rate. [`LimitOverrides::check`] also wants it to refill within 31 years.
pub const BURSTS: RangeInclusive<u32> = 1..=u32::MAX;

/// How many requests under way can be counted: their places are read and written whole with every request.
pub const IN_FLIGHT: RangeInclusive<u32> = 1..=1_024;

/// `requested`, or the most requests under way that can be counted.
#[must_use]
pub fn countable_in_flight(requested: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(requested.get().min(*IN_FLIGHT.end())).unwrap_or(requested)
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

/// A limit that cannot be held as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct OutOfRange {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl LimitOverrides {
    /// Checks every field. A burst is checked against its own rate, or against the tier's in `otherwise`, where that is
    /// known.
    ///
    /// # Errors
    /// [`OutOfRange`] at the first field that no limit can have.
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
    fn what_cannot_be_counted_is_refused_and_named() {
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
            // By itself it may be right; the tier tells.
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
