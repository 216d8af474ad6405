//! Usage: events taken in, and reports.

use std::collections::BTreeMap;

use gmtech_core::sync::events::UsageEvent;
use gmtech_core::vocabulary;
use serde::{Deserialize, Serialize};

use super::By;
use crate::clock::Millis;
use crate::store::TokenCounts;

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

/// Where the price is from ([`Priced::priced_by`]) if none was known.
pub const FALLBACK: &str = "fallback";

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
    pub unattributed: u64,
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
            + self.unattributed
    }
}

vocabulary! {
    /// What usage is told apart by.
    #[derive(Serialize, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Dimension {
        /// Each key.
        Key = "key",
        /// Each team.
        Team = "team",
        /// Each model as it was asked for; empty where none was.
        Model = "model",
        /// Each group of endpoints; empty where it was not judged.
        Endpoint = "endpoint",
        /// Each decision of the gate's: `allowed`, or why it refused.
        Decision = "decision",
        /// Each owner of keys; empty for keys without one.
        Owner = "owner",
        /// Each tag of keys; empty for keys without one. A key with several counts for each of them.
        Tag = "tag",
    }
}

vocabulary! {
    /// How long the span of a row is. All are UTC.
    #[derive(Serialize, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Every {
        /// A minute.
        Minute = "minute",
        /// An hour.
        Hour = "hour",
        /// A day.
        Day = "day",
        /// A month of the calendar.
        Month = "month",
    }
}

/// The sums that a query reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollup {
    /// By the minute: kept as long as single events.
    Minutes,
    /// By the hour: kept 60 days longer.
    Hours,
    /// By the day: kept for ever.
    #[default]
    Days,
}

/// From when on sums are complete, in minutes since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Those of minutes.
    pub minutes_from: i64,
    /// Those of hours.
    pub hours_from: i64,
}

/// Which usage.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    /// Told apart by what.
    pub by: Vec<Dimension>,
    /// And by which spans of time; `None` is the whole of it.
    pub every: Option<Every>,
    /// From which sums. The other times must be whole units of it.
    pub source: Rollup,
    /// From this minute on, counted from the Unix epoch.
    pub from: Option<i64>,
    /// Up to and without this minute.
    pub to: Option<i64>,
    /// Only what has this value.
    pub only: BTreeMap<Dimension, String>,
    /// Only what has one of these values: at least one of each, and at most a thousand in all.
    pub among: BTreeMap<Dimension, Vec<String>>,
    /// Only what has none of these values: at most a thousand in all.
    pub except: BTreeMap<Dimension, Vec<String>>,
    /// Only what follows.
    pub after: Option<UsageCursor>,
    /// At most so many groups.
    pub limit: u32,
}

impl Default for UsageQuery {
    /// All there is, by key.
    fn default() -> Self {
        Self {
            by: vec![Dimension::Key],
            every: None,
            source: Rollup::Days,
            from: None,
            to: None,
            only: BTreeMap::new(),
            among: BTreeMap::new(),
            except: BTreeMap::new(),
            after: None,
            limit: u32::MAX,
        }
    }
}

impl UsageQuery {
    /// Whether the answer depends on what a request has of this dimension.
    #[must_use]
    pub fn uses(&self, dimension: Dimension) -> bool {
        self.by.contains(&dimension)
            || self.only.contains_key(&dimension)
            || self.among.contains_key(&dimension)
            || self.except.contains_key(&dimension)
    }
}

/// The last group of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageCursor {
    /// The start of its span, in the unit of the query's spans.
    pub time: Option<i64>,
    /// Its names.
    pub groups: Vec<String>,
}

/// A cursor as it is written: with what the query told apart, since it means nothing to another one.
#[derive(Serialize, Deserialize)]
struct WrittenCursor {
    by: Vec<Dimension>,
    every: Option<Every>,
    time: Option<i64>,
    groups: Vec<String>,
}

impl UsageCursor {
    /// As a page's `next`, of a query that told these apart.
    #[must_use]
    pub fn encode(&self, by: &[Dimension], every: Option<Every>) -> String {
        let written = WrittenCursor {
            by: by.to_vec(),
            every,
            time: self.time,
            groups: self.groups.clone(),
        };
        // Names and numbers always serialise.
        hex::encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    /// Reads a page's `next`; `None` if it is none, or another query's.
    #[must_use]
    pub fn decode(text: &str, by: &[Dimension], every: Option<Every>) -> Option<Self> {
        let written: WrittenCursor = serde_json::from_slice(&hex::decode(text).ok()?).ok()?;
        let fits = written.by == by
            && written.every == every
            && written.groups.len() == by.len()
            && written.time.is_some() == every.is_some()
            && !written.groups.iter().any(|g| g.contains('\0'));
        fits.then_some(Self {
            time: written.time,
            groups: written.groups,
        })
    }
}

/// One group's usage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// What it is the usage of, for people: the key, team, model and so on; the span of time where nothing else was told
    /// apart.
    pub group: String,
    /// The same for programs, each by its name.
    #[schema(value_type = BTreeMap<String, String>)]
    pub groups: BTreeMap<Dimension, String>,
    /// The start of its span of time; null where none was asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start: Option<Millis>,
    /// All requests, refused ones too.
    pub requests: i64,
    /// Refused requests by reason.
    pub refusals: BTreeMap<String, i64>,
    /// What was used.
    #[serde(flatten)]
    pub tokens: TokenCounts,
    /// Requests whose tokens were estimated or cut off.
    pub not_exact: i64,
    /// In nano-dollars.
    pub cost_nano_usd: i64,
    /// The start of the last request.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
}

/// The usage of one group in one span of time, with one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSpan {
    /// The start of the span; `None` where the query had none.
    pub start: Option<Millis>,
    /// What the query told apart; empty where that was nothing.
    pub group: String,
    /// The decision.
    pub decision: String,
    /// Requests.
    pub requests: i64,
    /// All tokens.
    pub tokens: i64,
    /// In nano-dollars.
    pub cost: i64,
}

/// What one key was used for on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDay {
    /// The key's id.
    pub key: String,
    /// The UTC day, counted from 1970-01-01.
    pub day: i64,
    /// All requests, refused ones too.
    pub requests: i64,
    /// Refused requests.
    pub refused: i64,
    /// All tokens.
    pub tokens: i64,
    /// In nano-dollars.
    pub cost: i64,
    /// The start of the last request.
    pub last_used_at: Millis,
}
