//! What a key is to be: the options of `create` and `update`, as the service takes them.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::admin::Connection;
use crate::admin::teams::dollars;

/// A new key.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The team that it is billed with
    #[arg(long)]
    pub(super) team: String,
    /// What its owner calls it
    #[arg(long)]
    pub(super) name: String,
    /// The tier whose limits apply
    #[arg(long, default_value = "free")]
    pub(super) tier: String,
    #[command(flatten)]
    pub(super) may: May,
    /// Makes a repeated call make one key
    #[arg(long, value_name = "TEXT")]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(super) at: Connection,
}

/// A changed key.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// Its id (`key_…`)
    pub(super) id: String,
    /// What its owner calls it
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The tier whose limits apply
    #[arg(long)]
    pub(super) tier: Option<String>,
    #[command(flatten)]
    pub(super) may: May,
    /// Let it use every model of its tier
    #[arg(long, conflicts_with = "model")]
    pub(super) any_model: bool,
    /// Let it go on for ever
    #[arg(long, conflicts_with_all = ["expires_at", "expires_in"])]
    pub(super) never_expires: bool,
    /// Take back all limits of its own before setting the given ones
    #[arg(long)]
    pub(super) tier_limits: bool,
    /// Take back both budgets before setting the given ones
    #[arg(long)]
    pub(super) no_budgets: bool,
    #[command(flatten)]
    pub(super) at: Connection,
}

/// What a key may do.
#[derive(Args, Debug)]
pub(crate) struct May {
    /// A model that it may use, or a prefix such as gpt-4o*; may be repeated
    #[arg(long, value_name = "PATTERN")]
    model: Vec<String>,
    /// Requests a minute, in place of the tier's
    #[arg(long, value_name = "N")]
    rpm: Option<u32>,
    /// Requests at once
    #[arg(long, value_name = "N")]
    rpm_burst: Option<u32>,
    /// Tokens a minute, in place of the tier's
    #[arg(long, value_name = "N")]
    tpm: Option<u32>,
    /// Tokens at once
    #[arg(long, value_name = "N")]
    tpm_burst: Option<u32>,
    /// Requests under way at once
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// When it ends, as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// After what time it ends, as 30days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// Dollars that it may spend a day (UTC)
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_day: Option<i64>,
    /// Dollars that it may spend a calendar month (UTC)
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget_month: Option<i64>,
}

impl May {
    /// Adds what was given to `body`, over the limits and budgets that are there.
    pub(super) fn add_to(&self, body: &mut Map<String, Value>) {
        if !self.model.is_empty() {
            body.insert("models".into(), json!(self.model));
        }
        let limits = [
            ("requests_per_minute", self.rpm),
            ("requests_burst", self.rpm_burst),
            ("tokens_per_minute", self.tpm),
            ("tokens_burst", self.tpm_burst),
            ("max_in_flight", self.max_in_flight),
        ];
        merge(
            body,
            "limits",
            limits.map(|(name, limit)| (name, limit.map(|l| json!(l)))),
        );
        let at = match self.expires_in {
            Some(after) => Some(humantime::format_rfc3339_seconds(now() + after).to_string()),
            None => self.expires_at.clone(),
        };
        if let Some(at) = at {
            body.insert("expires_at".into(), json!(at));
        }
        let budgets = [
            ("day_nano_usd", self.budget_day),
            ("month_nano_usd", self.budget_month),
        ];
        merge(
            body,
            "budgets",
            budgets.map(|(name, nanos)| (name, nanos.map(|n| json!(n)))),
        );
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Sets the given fields of an object field; leaves it out if none is given and it is not there.
fn merge<'a>(
    body: &mut Map<String, Value>,
    field: &str,
    values: impl IntoIterator<Item = (&'a str, Option<Value>)>,
) {
    for (name, value) in values {
        let Some(value) = value else { continue };
        let object = body.entry(field).or_insert_with(|| json!({}));
        if let Some(object) = object.as_object_mut() {
            object.insert(name.into(), value);
        }
    }
}
