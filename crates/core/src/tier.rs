//! Tiers: the limits and models that many keys share.
//!
//! A tier comes from the key service, with the keys, or from the filter's configuration. Inline keys have the
//! configuration's tiers. A key of the service has the service's tier of that name, or the configuration's if the
//! service has reported none.

use std::num::NonZeroU32;

use sha2::{Digest, Sha256};

use crate::limiter::Limits;
use crate::limiter::gcra::Limit;
use crate::limits::{LimitOverrides, OutOfRange, countable_in_flight};
use crate::model::ModelSet;

/// How many bytes of a digest a fingerprint shows.
const FINGERPRINT_LEN: usize = 6;

/// The tiers that exist before anybody has made one: name, requests a minute, tokens a minute. All models are allowed.
pub const DEFAULT_TIERS: [(&str, u32, u32); 3] = [
    ("free", 60, 40_000),
    ("pro", 3_000, 250_000),
    ("team", 5_000, 500_000),
];

/// A tier: the limits and models of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Requests a minute.
    pub requests_per_minute: NonZeroU32,
    /// Requests at once; by default as many as in a minute.
    pub requests_burst: Option<NonZeroU32>,
    /// Tokens a minute.
    pub tokens_per_minute: NonZeroU32,
    /// Tokens at once; by default as many as in a minute.
    pub tokens_burst: Option<NonZeroU32>,
    /// Requests in flight at once; not limited by default.
    pub max_in_flight: Option<NonZeroU32>,
    /// The models that its keys may use.
    pub models: ModelSet,
}

/// The fields of the wire form, in their order.
type Fields = (
    NonZeroU32,
    Option<NonZeroU32>,
    NonZeroU32,
    Option<NonZeroU32>,
    Option<NonZeroU32>,
    ModelSet,
);

impl Tier {
    /// A tier with these rates, for all models; `None` if one of them is zero.
    #[must_use]
    pub fn of_rates(requests_per_minute: u32, tokens_per_minute: u32) -> Option<Self> {
        Some(Self {
            requests_per_minute: NonZeroU32::new(requests_per_minute)?,
            requests_burst: None,
            tokens_per_minute: NonZeroU32::new(tokens_per_minute)?,
            tokens_burst: None,
            max_in_flight: None,
            models: ModelSet::any(),
        })
    }

    /// Returns the limits of a key of this tier. A rate that `key` overrides has a burst of the same size, unless `key`
    /// sets the burst too. Values out of range are clamped, because the key service writes records without knowing the
    /// tier that will be in force.
    #[must_use]
    pub fn limits(&self, key: &LimitOverrides) -> Limits {
        Limits {
            requests: Some(limit(
                (self.requests_per_minute, self.requests_burst),
                (key.requests_per_minute, key.requests_burst),
            )),
            tokens: Some(limit(
                (self.tokens_per_minute, self.tokens_burst),
                (key.tokens_per_minute, key.tokens_burst),
            )),
            max_in_flight: key
                .max_in_flight
                .or(self.max_in_flight)
                .map(countable_in_flight),
        }
    }

    /// The tier's limits in the form of a key's overrides.
    #[must_use]
    pub fn as_overrides(&self) -> LimitOverrides {
        LimitOverrides {
            requests_per_minute: Some(self.requests_per_minute),
            requests_burst: self.requests_burst,
            tokens_per_minute: Some(self.tokens_per_minute),
            tokens_burst: self.tokens_burst,
            max_in_flight: self.max_in_flight,
        }
    }

    /// Checks that every limit can be counted.
    ///
    /// # Errors
    /// [`OutOfRange`] for the first field that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        self.as_overrides().check(&LimitOverrides::default())
    }

    /// Writes the wire form, which is also the form in the shared store.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let fields: (_, _, _, _, _, &ModelSet) = (
            self.requests_per_minute,
            self.requests_burst,
            self.tokens_per_minute,
            self.tokens_burst,
            self.max_in_flight,
            &self.models,
        );
        // Numbers and texts always serialise.
        postcard::to_allocvec(&fields).unwrap_or_default()
    }

    /// Reads the wire form, and skips unknown fields at its end. `None` if the bytes are no tier.
    #[must_use]
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let (fields, _) = postcard::take_from_bytes::<Fields>(bytes).ok()?;
        let (requests_per_minute, requests_burst, tokens_per_minute, tokens_burst, cap, models) =
            fields;
        Some(Self {
            requests_per_minute,
            requests_burst,
            tokens_per_minute,
            tokens_burst,
            max_in_flight: cap,
            models,
        })
    }

    /// A short text by which two programs can tell whether they mean the same tier: 12 hexadecimal digits of the
    /// SHA-256 of the wire form.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.to_wire());
        hex::encode(digest.get(..FINGERPRINT_LEN).unwrap_or_default())
    }
}

type RateAndBurst<R> = (R, Option<NonZeroU32>);

fn limit(tier: RateAndBurst<NonZeroU32>, key: RateAndBurst<Option<NonZeroU32>>) -> Limit {
    let (rate, burst) = match key {
        (Some(rate), burst) => (rate, burst),
        (None, burst) => (tier.0, burst.or(tier.1)),
    };
    let limit = Limit::per_minute(rate);
    burst.map_or(limit, |b| limit.with_burst(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelPattern;

    fn narrow() -> Tier {
        let pattern = ModelPattern::new("gpt-4o*").unwrap();
        Tier {
            requests_burst: NonZeroU32::new(9),
            tokens_burst: NonZeroU32::new(500),
            max_in_flight: NonZeroU32::new(3),
            models: ModelSet::new(vec![pattern]),
            ..Tier::of_rates(60, 40_000).unwrap()
        }
    }

    #[test]
    fn the_wire_form_round_trips_and_skips_fields_of_tomorrow() {
        for tier in [narrow(), Tier::of_rates(1, 1).unwrap()] {
            let wire = tier.to_wire();
            assert_eq!(Tier::from_wire(&wire), Some(tier.clone()));
            let longer = [wire.as_slice(), b"more"].concat();
            assert_eq!(Tier::from_wire(&longer), Some(tier));
            for cut in 0..wire.len() {
                assert_eq!(Tier::from_wire(&wire[..cut]), None, "cut at {cut}");
            }
        }
        assert_eq!(
            Tier::from_wire(b"\x00\x00\x01\x00\x00\x00"),
            None,
            "a rate of zero"
        );
    }

    #[test]
    fn the_fingerprint_tells_any_difference() {
        let other = |change: fn(&mut Tier)| {
            let mut tier = narrow();
            change(&mut tier);
            tier.fingerprint()
        };
        let same = narrow().fingerprint();
        assert_eq!(same.len(), 12);
        assert_eq!(other(|_| {}), same);
        for change in [
            (|t| t.requests_per_minute = NonZeroU32::MIN) as fn(&mut Tier),
            |t| t.requests_burst = None,
            |t| t.tokens_per_minute = NonZeroU32::MIN,
            |t| t.tokens_burst = None,
            |t| t.max_in_flight = None,
            |t| t.models = ModelSet::any(),
        ] {
            assert_ne!(other(change), same);
        }
    }

    #[test]
    fn a_key_overrides_rate_and_burst_separately() {
        let n = NonZeroU32::new;
        for (tier_burst, rate, burst, expected) in [
            (None, None, None, 60),
            (n(10), None, None, 10),
            (n(10), n(600), None, 600),
            (n(10), n(600), n(20), 20),
            (n(10), None, n(20), 20),
        ] {
            let tier = Tier {
                requests_per_minute: n(60).unwrap(),
                requests_burst: tier_burst,
                tokens_per_minute: n(1).unwrap(),
                tokens_burst: None,
                max_in_flight: None,
                models: ModelSet::any(),
            };
            let key = LimitOverrides {
                requests_per_minute: rate,
                requests_burst: burst,
                ..LimitOverrides::default()
            };
            assert_eq!(tier.limits(&key).requests.unwrap().burst(), expected);
        }
    }
}
