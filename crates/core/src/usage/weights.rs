//! What tokens weigh against a limit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::kind::{PerKind, TokenKind};
use super::tokens::Tokens;

/// What counts one token, in thousandths.
const WHOLE: u32 = 1_000;

/// What a token of each kind counts against a tokens limit, in thousandths of a token.
///
/// By default each counts one, as OpenAI counts: cached tokens too. In the configuration it is an object of numbers by the
/// names of kinds; a kind that is left out counts one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights(PerKind<u32>);

impl Default for Weights {
    fn default() -> Self {
        Self(PerKind::each(|_| WHOLE))
    }
}

impl Weights {
    /// These weights with another one for tokens of `kind`.
    #[must_use]
    pub fn with(mut self, kind: TokenKind, thousandths: u32) -> Self {
        self.0.set(kind, thousandths);
        self
    }

    /// The number charged against a tokens limit, rounded up: each token once, by [`Tokens::apart`]. With the default
    /// weights this is the billable total.
    ///
    /// ```
    /// use gmtech_core::usage::{TokenKind, Tokens, Weights};
    ///
    /// let weights = Weights::default().with(TokenKind::CachedInput, 100);
    /// let tokens = Tokens::of(1_000, 50).with(TokenKind::CachedInput, 600);
    /// assert_eq!(weights.charge(&tokens), 400 + 60 + 50);
    /// ```
    #[must_use]
    pub fn charge(&self, tokens: &Tokens) -> u64 {
        let counts = tokens.apart();
        let milli = counts.iter().fold(0u128, |sum, (kind, count)| {
            let weight = u128::from(self.0.get(kind));
            sum.saturating_add(u128::from(count).saturating_mul(weight))
        });
        u64::try_from(milli.div_ceil(u128::from(WHOLE))).unwrap_or(u64::MAX)
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = Weights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("weights by the kind of tokens")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weights, A::Error> {
        let (mut weights, mut seen) = (Weights::default(), PerKind::<bool>::default());
        while let Some(name) = map.next_key::<String>()? {
            let kind = TokenKind::named(&name)
                .ok_or_else(|| A::Error::unknown_field(&name, &TokenKind::NAMES))?;
            if seen.get(kind) {
                return Err(A::Error::duplicate_field(kind.name()));
            }
            seen.set(kind, true);
            weights = weights.with(kind, map.next_value()?);
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_charge_each_token_once_by_its_kind() {
        let tokens = Tokens::of(1_000, 50)
            .with(TokenKind::CachedInput, 600)
            .with(TokenKind::CacheWrite, 100)
            .with(TokenKind::Reasoning, 40)
            .with_total(1_060);
        let cheap_cache = Weights::default()
            .with(TokenKind::CachedInput, 100)
            .with(TokenKind::CacheWrite, 1_250);
        // 300 plain + 60 + 125 + 50 + the 10 beyond the sum, which are input
        assert_eq!(cheap_cache.charge(&tokens), 545);
        let free_reasoning = Weights::default().with(TokenKind::Reasoning, 0);
        assert_eq!(free_reasoning.charge(&tokens), 1_020);
    }

    #[test]
    fn parts_larger_than_their_whole_take_no_more_than_it() {
        let odd = Tokens::of(10, 0)
            .with(TokenKind::CachedInput, 1_000)
            .with(TokenKind::CacheWrite, 1_000);
        let half = Weights::default().with(TokenKind::CachedInput, 500);
        assert_eq!(half.charge(&odd), 5);
    }

    #[test]
    fn every_kind_has_a_weight_in_the_configuration_and_nothing_else_has() {
        for kind in TokenKind::ALL {
            let written = format!(r#"{{"{}":7}}"#, kind.name());
            let weights: Weights = serde_json::from_str(&written).unwrap();
            assert_eq!(weights, Weights::default().with(kind, 7));
        }
        for mistake in [
            r#"{"total":1}"#,
            r#"{"input":1,"input":1}"#,
            r#"{"input":-1}"#,
            r#"{"input":1.5}"#,
            "[]",
        ] {
            assert!(
                serde_json::from_str::<Weights>(mistake).is_err(),
                "{mistake}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_default_weights_charge_the_billable_total(
            counts: [u64; TokenKind::ALL.len()], total: u64,
        ) {
            let mut tokens = Tokens::default().with_total(total);
            for (kind, count) in TokenKind::ALL.into_iter().zip(counts) {
                tokens = tokens.with(kind, count);
            }
            prop_assert_eq!(Weights::default().charge(&tokens), tokens.billable_total());
        }
    }
}
