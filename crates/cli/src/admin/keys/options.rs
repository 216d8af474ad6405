//! The options of `gmtech keys create` and `update`, and their form in the API.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::body::merge;
use super::budgets::Budgets;
use crate::admin::Connection;

/// The options of `gmtech keys create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The team that is billed for it
    #[arg(long)]
    pub(super) team: String,
    /// The key's name
    #[arg(long)]
    pub(super) name: String,
    /// The tier whose limits apply
    #[arg(long, default_value = "free")]
    pub(super) tier: String,
    #[command(flatten)]
    pub(super) may: May,
    /// With the same value a repeated call makes one key only
    #[arg(long, value_name = "TEXT")]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(super) at: Connection,
}

/// The options of `gmtech keys update`.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// Its id (`key_…`)
    pub(super) id: String,
    /// The key's name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The tier whose limits apply
    #[arg(long)]
    pub(super) tier: Option<String>,
    #[command(flatten)]
    pub(super) may: May,
    /// Allow every model of its tier
    #[arg(long, conflicts_with = "model")]
    any_model: bool,
    /// Allow every address
    #[arg(long, conflicts_with = "allowed_ip")]
    any_ip: bool,
    /// Allow every endpoint that is open
    #[arg(long, conflicts_with = "endpoint")]
    any_endpoint: bool,
    /// Remove its owner
    #[arg(long, conflicts_with = "owner")]
    no_owner: bool,
    /// Remove all its tags
    #[arg(long, conflicts_with = "tag")]
    no_tags: bool,
    /// Remove its expiry
    #[arg(long, conflicts_with_all = ["expires_at", "expires_in"])]
    never_expires: bool,
    /// Remove all its own limits before setting the given ones
    #[arg(long)]
    tier_limits: bool,
    /// Remove all its budgets before setting the given ones
    #[arg(long)]
    no_budgets: bool,
    #[command(flatten)]
    pub(super) at: Connection,
}

/// The options for a key's permissions, limits and descriptive fields.
#[derive(Args, Debug)]
pub(crate) struct May {
    /// A model that it may use, or a pattern such as gpt-4o*; may be repeated
    #[arg(long, value_name = "PATTERN")]
    model: Vec<String>,
    /// Requests per minute, in place of the tier's limit
    #[arg(long, value_name = "N")]
    rpm: Option<u32>,
    /// Burst of requests
    #[arg(long, value_name = "N")]
    rpm_burst: Option<u32>,
    /// Tokens per minute, in place of the tier's limit
    #[arg(long, value_name = "N")]
    tpm: Option<u32>,
    /// Burst of tokens
    #[arg(long, value_name = "N")]
    tpm_burst: Option<u32>,
    /// Concurrent requests
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// When it expires, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// How long until it expires, such as 30days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// An address or network that it may be used from, such as 203.0.113.0/24; may be repeated
    #[arg(long, value_name = "NETWORK")]
    allowed_ip: Vec<String>,
    /// A group of endpoints that it may use, such as chat_completions; may be repeated
    #[arg(long, value_name = "GROUP")]
    endpoint: Vec<String>,
    /// Its owner, a member of the team
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// A tag to find it by; may be repeated
    #[arg(long)]
    tag: Vec<String>,
    /// Metadata of your own; may be repeated
    #[arg(long, value_name = "NAME=TEXT", value_parser = named)]
    metadata: Vec<(String, String)>,
    #[command(flatten)]
    budgets: Budgets,
}

fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.into(), text.into())),
        _ => Err("must be NAME=TEXT".into()),
    }
}

impl May {
    /// Sets the given fields in `body`. Limits, budgets and metadata that are there and not given stay.
    pub(super) fn add_to(&self, body: &mut Map<String, Value>) {
        for (field, list) in [
            ("models", &self.model),
            ("allowed_ips", &self.allowed_ip),
            ("endpoints", &self.endpoint),
            ("tags", &self.tag),
        ] {
            if !list.is_empty() {
                body.insert(field.into(), json!(list));
            }
        }
        if let Some(owner) = &self.owner {
            body.insert("owner".into(), json!(owner));
        }
        let limits = [
            ("requests_per_minute", self.rpm),
            ("requests_burst", self.rpm_burst),
            ("tokens_per_minute", self.tpm),
            ("tokens_burst", self.tpm_burst),
            ("max_in_flight", self.max_in_flight),
        ];
        let limits = limits.into_iter().filter_map(|(n, l)| Some((n, json!(l?))));
        merge(body, "limits", limits);
        let texts = self.metadata.iter();
        merge(
            body,
            "metadata",
            texts.map(|(name, text)| (name.as_str(), json!(text))),
        );
        let at = match self.expires_in {
            Some(after) => Some(humantime::format_rfc3339_seconds(now() + after).to_string()),
            None => self.expires_at.clone(),
        };
        if let Some(at) = at {
            body.insert("expires_at".into(), json!(at));
        }
        self.budgets.add_to(body);
    }
}

impl Update {
    /// The body of the change to `key`. The service replaces all limits, budgets and metadata at once, so those that are
    /// not named are copied from the key.
    pub(super) fn body(&self, key: &Value) -> Map<String, Value> {
        let mut given = Map::new();
        self.may.add_to(&mut given);
        let mut body = Map::new();
        for (field, fresh) in [
            ("limits", self.tier_limits),
            ("budgets", self.no_budgets),
            ("metadata", false),
        ] {
            if fresh {
                body.insert(field.into(), json!({}));
            } else if given.contains_key(field) {
                let is = key.get(field).cloned().unwrap_or(json!({}));
                body.insert(field.into(), is);
            }
        }
        self.may.add_to(&mut body);
        for (field, value) in [("name", &self.name), ("tier", &self.tier)] {
            if let Some(value) = value {
                body.insert(field.into(), json!(value));
            }
        }
        for (field, removed) in [
            ("models", self.any_model),
            ("allowed_ips", self.any_ip),
            ("endpoints", self.any_endpoint),
            ("owner", self.no_owner),
            ("expires_at", self.never_expires),
        ] {
            if removed {
                body.insert(field.into(), Value::Null);
            }
        }
        if self.no_tags {
            body.insert("tags".into(), json!([]));
        }
        body
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
pub(super) fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn body(args: &[&str], key: &Value) -> Value {
        let line = [&["update", "key_x"], args].concat();
        Line::try_parse_from(line).unwrap().update.body(key).into()
    }

    #[test]
    fn an_update_changes_the_named_fields_and_keeps_the_rest() {
        let key = json!({
            "limits": {"requests_per_minute": 5, "tokens_per_minute": 7},
            "budgets": {"day_nano_usd": 1, "soft": {"day_nano_usd": 1}},
            "metadata": {"a": "1"},
        });
        for (args, expected) in [
            (&["--name", "n"][..], json!({"name": "n"})),
            (
                &["--rpm", "9"],
                json!({"limits": {"requests_per_minute": 9, "tokens_per_minute": 7}}),
            ),
            (&["--tier-limits"], json!({"limits": {}})),
            (
                &["--tier-limits", "--tpm", "3"],
                json!({"limits": {"tokens_per_minute": 3}}),
            ),
            (
                &["--metadata", "b=2=3"],
                json!({"metadata": {"a": "1", "b": "2=3"}}),
            ),
            (
                &[
                    "--soft-budget-week",
                    "2",
                    "--model-budget",
                    "gpt-4o*:day=0.50",
                ],
                json!({"budgets": {"day_nano_usd": 1,
                    "soft": {"day_nano_usd": 1, "week_nano_usd": 2_000_000_000_u64},
                    "models": {"gpt-4o*": {"day_nano_usd": 500_000_000}}}}),
            ),
            (
                &["--no-budgets", "--budget-total", "$1"],
                json!({"budgets": {"total_nano_usd": 1_000_000_000}}),
            ),
            (
                &[
                    "--any-model",
                    "--any-ip",
                    "--no-owner",
                    "--no-tags",
                    "--never-expires",
                ],
                json!({"models": null, "allowed_ips": null, "owner": null, "tags": [], "expires_at": null}),
            ),
            (
                &[
                    "--tag",
                    "a",
                    "--tag",
                    "b",
                    "--allowed-ip",
                    "10.0.0.0/8",
                    "--endpoint",
                    "models",
                ],
                json!({"tags": ["a", "b"], "allowed_ips": ["10.0.0.0/8"], "endpoints": ["models"]}),
            ),
        ] {
            assert_eq!(body(args, &key), expected, "{args:?}");
        }
    }

    #[test]
    fn contradictory_options_are_refused() {
        for args in [
            &["--any-model", "--model", "x"][..],
            &["--no-tags", "--tag", "x"],
            &["--metadata", "text"],
            &["--budget-day", "lots"],
            &["--model-budget", "gpt-4o"],
            &["--model-budget", "gpt-4o:year=1"],
        ] {
            let line = [&["update", "key_x"], args].concat();
            assert!(Line::try_parse_from(line).is_err(), "{args:?}");
        }
    }
}
