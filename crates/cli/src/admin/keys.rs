//! `gmtech keys …`: keys of the running service.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::client::{escape, with_query};
use super::{Connection, show};

/// What `gmtech keys` does with the running service.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a key; it is shown once
    #[command(after_help = "Examples:
  gmtech keys create --team demo --name ci
  gmtech keys create --team demo --name ci --tier free --json
  gmtech keys create --team demo --name batch --model 'gpt-4o*' --rpm 10 --tpm 20000 --expires-in 30days
  gmtech keys create --team demo --name intern --budget-day 2.50")]
    Create(Create),
    /// List keys, the newest first
    #[command(after_help = "Example:\n  gmtech keys list --team demo --status active")]
    List {
        /// Only of this team
        #[arg(long)]
        team: Option<String>,
        /// Only active, suspended or revoked ones
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        at: Connection,
    },
    /// Show one key
    Show(One),
    /// Change what a key is called, may use and may spend
    #[command(after_help = "Examples:
  gmtech keys update key_x --rpm 100
  gmtech keys update key_x --model 'gpt-4o*' --model o3
  gmtech keys update key_x --any-model --never-expires --tier-limits")]
    Update(Update),
    /// Pause a key: it is answered 401
    Suspend(Status),
    /// Let a suspended key work again
    Resume(Status),
    /// End a key for good: it is answered 403
    #[command(after_help = "Examples:
  gmtech keys revoke key_x
  gmtech keys revoke key_x --wait          until every live proxy has it, for at most 10 s
  gmtech keys revoke key_x --wait 2s --json")]
    Revoke(Status),
    /// Make a key like another one, which ends by itself after an overlap
    #[command(after_help = "Example:\n  gmtech keys rotate key_x --overlap 2h")]
    Rotate {
        /// The key to be replaced
        id: String,
        /// How long the old key goes on
        #[arg(long, default_value = "1day", value_parser = humantime::parse_duration)]
        overlap: Duration,
        #[command(flatten)]
        at: Connection,
    },
}

/// One key.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// Its id (`key_…`)
    id: String,
    #[command(flatten)]
    at: Connection,
}

/// A change of status.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Its id (`key_…`)
    id: String,
    /// Wait until every live proxy has it
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    at: Connection,
}

/// A new key.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The team that it is billed with
    #[arg(long)]
    team: String,
    /// What its owner calls it
    #[arg(long)]
    name: String,
    /// The tier whose limits apply
    #[arg(long, default_value = "free")]
    tier: String,
    #[command(flatten)]
    may: May,
    /// Makes a repeated call make one key
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    at: Connection,
}

/// A changed key.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// Its id (`key_…`)
    id: String,
    /// What its owner calls it
    #[arg(long)]
    name: Option<String>,
    /// The tier whose limits apply
    #[arg(long)]
    tier: Option<String>,
    #[command(flatten)]
    may: May,
    /// Let it use every model of its tier
    #[arg(long, conflicts_with = "model")]
    any_model: bool,
    /// Let it go on for ever
    #[arg(long, conflicts_with_all = ["expires_at", "expires_in"])]
    never_expires: bool,
    /// Take back all limits of its own before setting the given ones
    #[arg(long)]
    tier_limits: bool,
    /// Take back both budgets before setting the given ones
    #[arg(long)]
    no_budgets: bool,
    #[command(flatten)]
    at: Connection,
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
    #[arg(long, value_name = "USD")]
    budget_day: Option<String>,
    /// Dollars that it may spend a calendar month (UTC)
    #[arg(long, value_name = "USD")]
    budget_month: Option<String>,
}

impl May {
    /// Adds what was given to `body`, over the limits and budgets that are there.
    fn add_to(&self, body: &mut Map<String, Value>) -> Result<()> {
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
        let mut budgets = Vec::new();
        for (name, usd) in [
            ("day_nano_usd", &self.budget_day),
            ("month_nano_usd", &self.budget_month),
        ] {
            let nanos = usd.as_deref().map(super::teams::dollars).transpose()?;
            budgets.push((name, nanos.map(|n| json!(n))));
        }
        merge(body, "budgets", budgets);
        Ok(())
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

/// Does what was asked.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Create(new) => create(new),
        Command::List { team, status, at } => list(team.as_deref(), status.as_deref(), at),
        Command::Show(One { id, at }) => {
            let key = at.client()?.get(&format!("keys/{}", escape(id)))?;
            print_key(&key, at);
            Ok(())
        }
        Command::Update(change) => update(change),
        Command::Suspend(status) => set_status(status, "suspend"),
        Command::Resume(status) => set_status(status, "resume"),
        Command::Revoke(status) => set_status(status, "revoke"),
        Command::Rotate { id, overlap, at } => {
            let body = json!({"overlap_seconds": overlap.as_secs()});
            let key = at
                .client()?
                .post(&format!("keys/{}/rotate", escape(id)), &body)?;
            print_new(&key, at);
            if !at.json {
                let until = key
                    .pointer("/old/expires_at")
                    .and_then(Value::as_str)
                    .unwrap_or("now");
                println!("{id} goes on until {until}.");
            }
            Ok(())
        }
    }
}

fn create(new: &Create) -> Result<()> {
    let mut body = Map::new();
    body.insert("team".into(), json!(new.team));
    body.insert("name".into(), json!(new.name));
    body.insert("tier".into(), json!(new.tier));
    new.may.add_to(&mut body)?;
    let once = new.idempotency_key.as_deref();
    let key = new.at.client()?.post_once("keys", &body.into(), once)?;
    print_new(&key, &new.at);
    Ok(())
}

fn list(team: Option<&str>, status: Option<&str>, at: &Connection) -> Result<()> {
    let keys = at
        .client()?
        .all("keys", &[("team", team), ("status", status)])?;
    if at.json {
        show::json(&json!({"object": "list", "data": keys}));
        return Ok(());
    }
    let columns = [
        ("ID", "id"),
        ("KEY", "redacted_key"),
        ("NAME", "name"),
        ("TEAM", "team"),
        ("TIER", "tier"),
        ("STATUS", "status"),
        ("CREATED", "created_at"),
        ("LAST USED", "last_used_at"),
    ];
    show::table(&keys, &columns);
    Ok(())
}

fn update(change: &Update) -> Result<()> {
    let client = change.at.client()?;
    let path = format!("keys/{}", escape(&change.id));
    // The service sets all limits at once, so those that are not named are taken from the key as it is.
    let key = client.get(&path)?;
    let mut body = Map::new();
    for (field, fresh) in [
        ("limits", change.tier_limits),
        ("budgets", change.no_budgets),
    ] {
        let is = if fresh {
            json!({})
        } else {
            key.get(field).cloned().unwrap_or(json!({}))
        };
        body.insert(field.into(), is);
    }
    change.may.add_to(&mut body)?;
    for (field, value) in [("name", &change.name), ("tier", &change.tier)] {
        if let Some(value) = value {
            body.insert(field.into(), json!(value));
        }
    }
    for (field, removed) in [
        ("models", change.any_model),
        ("expires_at", change.never_expires),
    ] {
        if removed {
            body.insert(field.into(), Value::Null);
        }
    }
    print_key(
        &client.send(Method::PATCH, &path, &body.into())?,
        &change.at,
    );
    Ok(())
}

fn set_status(change: &Status, action: &str) -> Result<()> {
    let wait = change.wait.map(|w| w.as_millis().to_string());
    let path = with_query(
        &format!("keys/{}/{action}", escape(&change.id)),
        [("wait", wait.as_deref())],
    );
    let key = change.at.client()?.post(&path, &json!({}))?;
    if change.at.json {
        show::json(&key);
        return Ok(());
    }
    let text = |path: &str| {
        key.pointer(path)
            .map(|v| v.as_str().map_or_else(|| v.to_string(), String::from))
            .unwrap_or_default()
    };
    println!("{} is {}.", text("/id"), text("/status"));
    if key.get("receipt").is_some() {
        let (applied, live, took) = (
            text("/receipt/applied"),
            text("/receipt/live"),
            text("/receipt/took_ms"),
        );
        println!("{applied} of {live} live proxies have it after {took} ms.");
    }
    Ok(())
}

fn print_new(key: &Value, at: &Connection) {
    if at.json {
        show::json(key);
        return;
    }
    match key.get("key").and_then(Value::as_str) {
        Some(text) => println!("{text}\n\nThis is the only time that the key is shown.\n"),
        None => println!("An earlier call has made this key and shown it.\n"),
    }
    print_key(key, at);
}

fn print_key(key: &Value, at: &Connection) {
    if at.json {
        show::json(key);
        return;
    }
    let names = [
        "id",
        "redacted_key",
        "name",
        "team",
        "tier",
        "status",
        "models",
        "limits",
        "budgets",
        "over_budget",
        "expires_at",
        "created_at",
        "created_by",
        "last_used_at",
        "rotated_to",
    ];
    show::fields(key, &names);
}
