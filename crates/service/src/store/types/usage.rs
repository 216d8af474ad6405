//! Usage and money.

use std::collections::BTreeMap;

use gmtech_core::ident::{KeyId, TeamId};
use gmtech_core::sync::events::UsageEvent;
use serde::{Deserialize, Serialize};

use super::{By, Once};
use crate::clock::Millis;

/// An event with its price.
#[derive(Clone, Debug)]
pub struct Priced {
    /// What was used.
    pub event: UsageEvent,
    /// In nano-dollars, never negative.
    pub cost: i64,
    /// Where the price is from.
    pub priced_by: &'static str,
}

/// Events that are counted together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The events.
    pub events: Vec<Priced>,
    /// Who imports them from a log; `None` for a proxy.
    pub import: Option<Import>,
}

impl From<Vec<Priced>> for Batch {
    fn from(events: Vec<Priced>) -> Self {
        Self {
            events,
            import: None,
        }
    }
}

/// An import, for the audit log.
#[derive(Clone, Debug)]
pub struct Import {
    /// Who.
    pub by: By,
    /// What became of the lines that are no events.
    pub rest: Ingested,
}

/// What became of a batch of events, or of the lines of a log. But for `late` and the cost, which are of accepted ones,
/// the counts add up to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Ingested {
    /// Counted now.
    pub accepted: u64,
    /// Of these, those that came when their day was closed: they are booked on the day on which they came.
    pub late: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Of a key that this service does not have, or not in that team.
    pub unknown_key: u64,
    /// Not an event, or with numbers that none can have.
    pub malformed: u64,
    /// Lines of refusals, which the proxies report in sums.
    pub summed: u64,
    /// Lines of requests that no key was known for.
    pub nobodys: u64,
    /// What the accepted ones cost, in nano-dollars.
    pub cost_nano_usd: i64,
}

impl Ingested {
    /// How many there were, whatever became of them.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.accepted
            + self.duplicate
            + self.unknown_key
            + self.malformed
            + self.summed
            + self.nobodys
    }
}

/// Which keys' budgets are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budgeted {
    /// Those that are spent: a new day or month may open them.
    Spent,
    /// All that have one: the clock was wrong, and what was judged by it may be too.
    All,
}

/// What moves a balance other than usage.
#[derive(Clone, Debug)]
pub struct NewCredit {
    /// In nano-dollars; above zero is a top-up, below zero a correction.
    pub amount: i64,
    /// What for.
    pub note: String,
    /// Makes it happen once.
    pub once: Option<Once>,
}

/// One row of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LedgerRow {
    /// Its place.
    pub seq: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Millis,
    /// `top_up`, `charge` or `adjustment`.
    pub kind: String,
    /// In nano-dollars, signed.
    pub amount_nano_usd: i64,
    /// Whose usage a charge is for.
    pub key: Option<String>,
    /// How many events a charge sums up.
    pub events: i64,
    /// Who.
    pub actor: String,
    /// What for.
    pub note: String,
}

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Each key.
    #[default]
    Key,
    /// Each team.
    Team,
    /// Each model.
    Model,
    /// Each UTC day.
    Day,
}

/// Which usage.
#[derive(Clone, Debug, Default)]
pub struct UsageQuery {
    /// Grouped by what.
    pub by: GroupBy,
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only of this key.
    pub key: Option<KeyId>,
    /// From this day on.
    pub from_day: Option<i64>,
    /// Up to and with this day.
    pub to_day: Option<i64>,
}

/// One group's usage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// The key, team, model or day.
    pub group: String,
    /// All requests, refused ones too.
    pub requests: i64,
    /// Refused requests by reason.
    pub refusals: BTreeMap<String, i64>,
    /// Prompt tokens, cached ones too.
    pub input_tokens: i64,
    /// Of these, read from a cache.
    pub cached_input_tokens: i64,
    /// Of these, written to a cache.
    pub cache_write_tokens: i64,
    /// Of the prompt's, audio.
    pub audio_input_tokens: i64,
    /// Answer tokens, reasoning too.
    pub output_tokens: i64,
    /// Of these, reasoning.
    pub reasoning_tokens: i64,
    /// Of the answer's, audio.
    pub audio_output_tokens: i64,
    /// What is billed: the total as the provider gave it where that is above the sum.
    pub total_tokens: i64,
    /// Requests whose tokens were estimated or cut off.
    pub not_exact: i64,
    /// In nano-dollars.
    pub cost_nano_usd: i64,
    /// The start of the last request.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
}
