//! A key's own account: what its holder may ask about it through the gate, without any other credential.
//!
//! The gate has authenticated the key and names it by its id. What is told is about the whole chain of rotations that the key
//! belongs to, since that is what limits and budgets are about.

use std::collections::BTreeMap;

use gmtech_core::ident::KeyId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::{DAY_MINUTES, Millis, day_name, parse_day};
use crate::error::ApiError;
use crate::money::format_usd;
use crate::ops::fields;
use crate::service::Service;
use crate::store::policy::DEFAULT_TIER;
use crate::store::{Dimension, Every, KeyInfo, Rollup, TokenCounts, UsageQuery};

/// The longest span of usage that is told, in days, and the usual one.
const MOST_DAYS: i64 = 90;
const USUAL_DAYS: i64 = 30;

/// An amount of dollars as an exact JSON number.
type Dollars = Box<RawValue>;

/// What a key may spend and has spent. `data` has the fields of OpenRouter's `GET /api/v1/key`
/// (<https://openrouter.ai/docs/api-reference/limits>), and more.
#[derive(Debug, Serialize)]
pub(crate) struct OwnKey {
    data: OwnKeyData,
}

/// The account of a key. Amounts are in dollars; days, weeks and months are UTC.
#[derive(Debug, Serialize)]
struct OwnKeyData {
    /// What its owner calls the key.
    label: String,
    /// The budget that has the least left; null without one.
    limit: Option<Dollars>,
    /// When that budget begins anew: `daily`, `weekly`, `monthly`; null if never.
    limit_reset: Option<&'static str>,
    /// What is left of it, at least zero.
    limit_remaining: Option<Dollars>,
    /// What was spent in all.
    usage: Dollars,
    usage_daily: Dollars,
    usage_weekly: Dollars,
    usage_monthly: Dollars,
    /// Whether it has the tier of keys that name none.
    is_free_tier: bool,
    /// When it ends by itself, in RFC 3339.
    expires_at: Option<String>,
    rate_limit: RateLimit,
    id: KeyId,
    team: String,
    tier: String,
    /// Patterns of the models that it may use; null is all of its tier's.
    models: Option<Vec<String>>,
    /// Every budget for all models, by its span of time: what it is, what is spent, what remains.
    budgets: BTreeMap<&'static str, OwnBudget>,
}

#[derive(Debug, Serialize)]
struct OwnBudget {
    limit: Dollars,
    spent: Dollars,
    remaining: Dollars,
}

/// The rate of requests, in the field that OpenRouter's clients know. `GET /v1/limits` tells all limits and how they stand.
#[derive(Debug, Serialize)]
struct RateLimit {
    /// Requests in an interval; null if the key's tier is not known here.
    requests: Option<u32>,
    interval: &'static str,
}

/// Usage of a key by day and model.
#[derive(Debug, Serialize)]
pub(crate) struct OwnUsage {
    object: &'static str,
    /// The first day.
    from: String,
    /// The last day.
    to: String,
    data: Vec<OwnUsageRow>,
}

#[derive(Debug, Serialize)]
struct OwnUsageRow {
    /// A UTC day, such as `2026-11-23`.
    day: String,
    /// The model that was asked for; null where none was.
    model: Option<String>,
    /// All requests, refused ones too.
    requests: i64,
    /// Refused requests by reason.
    refusals: BTreeMap<String, i64>,
    #[serde(flatten)]
    tokens: TokenCounts,
    /// In dollars.
    cost: Dollars,
}

/// Which days.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskOwnUsage {
    /// The first day.
    from: Option<String>,
    /// The last day.
    to: Option<String>,
}

/// What a key may spend and has spent.
///
/// # Errors
/// Where there is no such key, or the store does not answer.
pub(crate) async fn key(service: &Service, id: &str, now: Millis) -> Result<OwnKey, ApiError> {
    let key = service.store.key(&fields::key_id(id)?).await?;
    let spent = service.store.spent(key.record.account(), now).await?;
    let tiers = service.store.tiers().await?;
    let tier = tiers.into_iter().find(|tier| tier.name == key.record.tier);
    let requests = key.record.limits.requests_per_minute;
    let requests = requests.or(tier.map(|tier| tier.tier.requests_per_minute));
    let spent = spent.named().map(|(_, amount)| amount.unwrap_or(0));
    let [daily, weekly, monthly, all] = spent;
    let tightest = budgets(&key, spent).min_by_key(|budget| budget.remaining());
    let record = &key.record;
    let expires_at = record
        .expires_at
        .map(|at| Millis::of_seconds(at).to_rfc3339());
    let models = record.models.as_ref().map(|set| {
        let patterns = set.patterns().iter().cloned();
        patterns.map(String::from).collect()
    });
    let amounts = budgets(&key, spent).map(|budget| (budget.span, budget.shown()));
    Ok(OwnKey {
        data: OwnKeyData {
            label: key.name.clone(),
            limit: tightest.as_ref().map(|b| dollars(b.limit)),
            limit_reset: tightest.as_ref().and_then(|b| b.reset),
            limit_remaining: tightest.as_ref().map(|b| dollars(b.remaining())),
            usage: dollars(all),
            usage_daily: dollars(daily),
            usage_weekly: dollars(weekly),
            usage_monthly: dollars(monthly),
            is_free_tier: record.tier.as_str() == DEFAULT_TIER,
            expires_at,
            rate_limit: RateLimit {
                requests: requests.map(Into::into),
                interval: "1m",
            },
            id: record.id.clone(),
            team: record.team.to_string(),
            tier: record.tier.to_string(),
            models,
            budgets: amounts.collect(),
        },
    })
}

/// Usage of a key's chain by day and model, the earliest day first.
///
/// # Errors
/// Where there is no such key, a day is none, there are more than 90, or the store does not answer.
pub(crate) async fn usage(
    service: &Service,
    id: &str,
    asked: AskOwnUsage,
    now: Millis,
) -> Result<OwnUsage, ApiError> {
    let key = service.store.key(&fields::key_id(id)?).await?;
    let day = |param: &str, text: Option<String>| {
        let refused =
            || ApiError::invalid(param, format!("{param} must be a day such as 2026-11-23."));
        text.map(|text| parse_day(&text).ok_or_else(refused))
            .transpose()
    };
    let to = day("to", asked.to)?.unwrap_or(now.day());
    let from = day("from", asked.from)?.unwrap_or(to.saturating_sub(USUAL_DAYS - 1));
    if !(0..MOST_DAYS).contains(&to.saturating_sub(from)) {
        let message = format!("from must be at most {MOST_DAYS} days before to, and not after it.");
        return Err(ApiError::invalid("from", message));
    }
    let chain = service.store.chain(key.record.account()).await?;
    let query = UsageQuery {
        by: vec![Dimension::Model],
        every: Some(Every::Day),
        source: Rollup::Days,
        from: Some(from.saturating_mul(DAY_MINUTES)),
        to: Some(to.saturating_add(1).saturating_mul(DAY_MINUTES)),
        among: BTreeMap::from([(Dimension::Key, chain)]),
        ..UsageQuery::default()
    };
    let rows = service.store.usage(&query).await?.items;
    let row = |row: crate::store::UsageRow| OwnUsageRow {
        day: day_name(row.start.map_or(from, Millis::day)),
        model: Some(row.group).filter(|model| !model.is_empty()),
        requests: row.requests,
        refusals: row.refusals,
        tokens: row.tokens,
        cost: dollars(row.cost_nano_usd),
    };
    Ok(OwnUsage {
        object: "list",
        from: day_name(from),
        to: day_name(to),
        data: rows.into_iter().map(row).collect(),
    })
}

/// One budget with what is spent of it, in nano-dollars.
struct Budget {
    span: &'static str,
    reset: Option<&'static str>,
    limit: i64,
    spent: i64,
}

impl Budget {
    fn remaining(&self) -> i64 {
        self.limit.saturating_sub(self.spent).max(0)
    }

    fn shown(&self) -> OwnBudget {
        OwnBudget {
            limit: dollars(self.limit),
            spent: dollars(self.spent),
            remaining: dollars(self.remaining()),
        }
    }
}

/// The budgets for all models that the key has.
fn budgets(key: &KeyInfo, spent: [i64; 4]) -> impl Iterator<Item = Budget> {
    let spans = [
        ("day", Some("daily")),
        ("week", Some("weekly")),
        ("month", Some("monthly")),
        ("total", None),
    ];
    let limits = key.budgets.hard().named();
    let all = spans.into_iter().zip(limits).zip(spent);
    all.filter_map(|(((span, reset), (_, limit)), spent)| {
        Some(Budget {
            span,
            reset,
            limit: limit?,
            spent,
        })
    })
}

/// Nano-dollars as an exact JSON number.
fn dollars(nanos: i64) -> Dollars {
    // What is written is a number in every case, so the fallback is never taken.
    RawValue::from_string(format_usd(nanos)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
