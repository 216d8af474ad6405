//! What a request costs: the operator's own prices first, then the embedded list of `genai-prices`, then a fallback.
//!
//! A model that nobody knows costs the fallback, never nothing. Nothing at all is charged only by the operator's own
//! word: an embedded price that comes out as zero for tokens that were used is taken for a gap in the list.
//! Prices are those in effect when the request started.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use genai_prices::{Calculator, PriceRequest, Usage as PricedUsage, UsageKey};
use gmtech_core::model::ModelPattern;
use gmtech_core::sync::events::UsageEvent;
use gmtech_core::usage::{PerKind, TokenKind, Tokens};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::clock::Millis;
use crate::money::{DOLLAR, MAX_AMOUNT, MAX_PRICE, parse_usd};
use crate::store::{FALLBACK, Priced};

/// The name of the embedded list, which is a library.
pub(crate) const LIST: &str = "genai-prices";

/// The version of the embedded list. The library does not tell from when its prices are; a test compares this with the
/// library that is built in.
pub(crate) const LIST_VERSION: &str = "0.2.1";

/// The operator's prices, as configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceConfig {
    /// What an unknown model costs.
    pub fallback: Option<Rates>,
    /// Prices by model or by prefix (`gpt-4o*`); the first that matches counts.
    pub models: Vec<ModelRates>,
}

/// The operator's prices.
#[derive(Clone, Debug)]
pub(crate) struct OwnPrices {
    /// By pattern of models; the first that matches counts.
    pub(crate) models: Vec<(String, Rates)>,
    /// What a model costs that nobody knows.
    pub(crate) fallback: Rates,
    /// Whether the operator has set the fallback.
    pub(crate) fallback_configured: bool,
}

/// One of the operator's prices.
#[derive(Clone, Debug, Deserialize)]
pub struct ModelRates {
    /// Which models.
    pub model: ModelPattern,
    /// What they cost.
    #[serde(flatten)]
    pub rates: Rates,
}

/// Dollars a million tokens, each as a decimal text (`"2.50"`) under the name of its kind. `input` and `output` must be
/// there; a part of one costs what the whole does, unless it has a price of its own.
#[derive(Clone, Debug)]
pub struct Rates(PerKind<Usd>);

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = Rates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prices by the kind of tokens")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rates, A::Error> {
        let mut given = PerKind::<Option<Usd>>::default();
        while let Some(name) = map.next_key::<String>()? {
            match TokenKind::named(&name) {
                Some(kind) if given.get(kind).is_some() => {
                    return Err(A::Error::duplicate_field(kind.name()));
                }
                Some(kind) => given.set(kind, map.next_value()?),
                None => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        for whole in [TokenKind::Input, TokenKind::Output] {
            let price = given.get(whole);
            let price = price.ok_or_else(|| A::Error::missing_field(whole.name()))?;
            for part in whole.parts() {
                given.set(part, given.get(part).or(Some(price)));
            }
        }
        Ok(Rates(PerKind::each(|kind| {
            given.get(kind).unwrap_or_default()
        })))
    }
}

/// Not negative and at most [`MAX_PRICE`], in nano-dollars.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Usd(i64);

impl TryFrom<String> for Usd {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match parse_usd(&text) {
            Some(nanos) if (0..=MAX_PRICE).contains(&nanos) => Ok(Self(nanos)),
            _ => Err(format!(
                "{text:?} is no price in dollars from 0 to {}, such as \"2.50\"",
                MAX_PRICE / DOLLAR
            )),
        }
    }
}

impl Rates {
    /// What a million tokens of prompt and of answer cost, whatever their parts.
    fn plain(input: i64, output: i64) -> Self {
        Self(PerKind::each(|kind| match kind.part_of().unwrap_or(kind) {
            TokenKind::Output => Usd(output),
            _ => Usd(input),
        }))
    }

    /// Nano-dollars a million tokens, by their kind.
    pub(crate) fn per_million(&self) -> PerKind<i64> {
        PerKind::each(|kind| self.0.get(kind).0)
    }

    /// Nano-dollars, rounded up, at most [`MAX_AMOUNT`]: each token once, by [`Tokens::apart`].
    fn cost(&self, tokens: &Tokens) -> i64 {
        let counts = tokens.apart();
        let sum: i128 = counts
            .iter()
            .map(|(kind, count)| i128::from(count) * i128::from(self.0.get(kind).0))
            .sum();
        i64::try_from((sum + 999_999) / 1_000_000).map_or(MAX_AMOUNT, |cost| cost.min(MAX_AMOUNT))
    }
}

/// A thousand tokens that are all of one kind.
fn one_kind(kind: TokenKind) -> Tokens {
    let tokens = match kind.part_of().unwrap_or(kind) {
        TokenKind::Output => Tokens::of(0, 1_000),
        _ => Tokens::of(1_000, 0),
    };
    match kind.part_of() {
        Some(_) => tokens.with(kind, 1_000),
        None => tokens,
    }
}

/// The kinds of tokens that the embedded list has prices for, by its own names. What it has none for costs what its whole
/// does.
const LISTED: [(TokenKind, &str); 6] = [
    (TokenKind::Input, "input_tokens"),
    (TokenKind::CachedInput, "cache_read_tokens"),
    (TokenKind::CacheWrite, "cache_write_tokens"),
    (TokenKind::AudioInput, "input_audio_tokens"),
    (TokenKind::Output, "output_tokens"),
    (TokenKind::AudioOutput, "output_audio_tokens"),
];

/// The tokens as the embedded list counts them: parts are in their whole, and none is larger than what is left of it.
fn consistent(tokens: &Tokens) -> PerKind<u64> {
    let apart = tokens.apart();
    PerKind::each(|kind| {
        let parts = kind.parts().map(|part| apart.get(part));
        parts.fold(apart.get(kind), u64::saturating_add)
    })
}

/// All prices.
#[derive(Clone, Debug)]
pub struct PriceBook {
    own: Vec<ModelRates>,
    fallback: Rates,
    fallback_configured: bool,
}

/// What a model costs.
#[derive(Clone, Debug)]
pub(crate) struct Quote {
    /// Nano-dollars a million tokens, by their kind.
    pub(crate) per_million: PerKind<i64>,
    /// Whose price it is, as events say it.
    pub(crate) priced_by: &'static str,
}

impl PriceBook {
    /// The price book of a configuration. Without a fallback of its own an unknown model costs 10 dollars a million
    /// prompt tokens and 30 a million answer tokens, which is above most models.
    #[must_use]
    pub fn new(config: PriceConfig) -> Self {
        // Decoding the embedded list takes tens of milliseconds: now, not on the first request.
        let _ = Calculator::bundled();
        let dear = Rates::plain(10 * DOLLAR, 30 * DOLLAR);
        Self {
            own: config.models,
            fallback_configured: config.fallback.is_some(),
            fallback: config.fallback.unwrap_or(dear),
        }
    }

    /// The operator's own prices.
    pub(crate) fn own(&self) -> OwnPrices {
        let own = |of: &ModelRates| (String::from(of.model.clone()), of.rates.clone());
        OwnPrices {
            models: self.own.iter().map(own).collect(),
            fallback: self.fallback.clone(),
            fallback_configured: self.fallback_configured,
        }
    }

    /// What a model costs at `now`. Where the list's price depends on the length of a prompt, it is that of a short one.
    pub(crate) fn quote(&self, model: &str, now: Millis) -> Quote {
        if let Some(own) = self.own.iter().find(|own| own.model.allows(model)) {
            return Quote {
                per_million: own.rates.per_million(),
                priced_by: "configuration",
            };
        }
        let at = u64::try_from(now.0).unwrap_or(0);
        let price =
            |kind| listed(model, &one_kind(kind), at).map(|cost| cost.saturating_mul(1_000));
        match (price(TokenKind::Input), price(TokenKind::Output)) {
            (None, None) => Quote {
                per_million: self.fallback.per_million(),
                priced_by: FALLBACK,
            },
            _ => Quote {
                per_million: PerKind::each(|kind| price(kind).unwrap_or(0)),
                priced_by: LIST,
            },
        }
    }

    /// The event with its cost.
    #[must_use]
    pub fn price(&self, event: UsageEvent) -> Priced {
        let tokens = *event.usage.tokens();
        let model = event.model.as_ref().map_or("", |m| m.as_str());
        let own = self.own.iter().find(|own| own.model.allows(model));
        let (cost, priced_by) = if tokens.is_zero() {
            (0, "nothing used")
        } else if let Some(own) = own {
            (own.rates.cost(&tokens), "configuration")
        } else if let Some(cost) = listed(model, &tokens, event.started_unix_ms) {
            (cost, LIST)
        } else {
            (self.fallback.cost(&tokens), FALLBACK)
        };
        Priced {
            event,
            cost,
            priced_by,
        }
    }
}

/// The embedded list's price. A name such as `openai/gpt-4o` is looked up whole, then with its first part as the
/// provider.
fn listed(model: &str, tokens: &Tokens, started_unix_ms: u64) -> Option<i64> {
    let counts = consistent(tokens);
    // Counts are at most MAX_EVENT_TOKENS; an f64 holds far larger ones exactly.
    let usage = PricedUsage::from(
        LISTED.map(|(kind, name)| (UsageKey::from(name), counts.get(kind) as f64)),
    );
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(started_unix_ms))?;
    let ask = |provider: Option<&str>, model: &str| {
        let mut request = PriceRequest::new(model, &usage).with_timestamp(at);
        if let Some(provider) = provider {
            request = request.with_provider_id(provider);
        }
        let total = Calculator::bundled().calculate(&request).ok()?.total_price;
        let nanos = (total * 1e9).ceil();
        // The largest exact integer of an f64: no real cost comes near.
        (nanos > 0.0 && nanos < 9.0e15).then_some(nanos as i64)
    };
    if model.is_empty() {
        return None;
    }
    ask(None, model).or_else(|| {
        let (provider, rest) = model.split_once('/')?;
        ask(Some(provider), rest).or_else(|| ask(None, rest))
    })
}

#[cfg(test)]
mod tests;
