//! `gmtech keys …`: keys of the running service.

mod body;
mod budgets;
mod list;
mod options;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::client::{escape, with_query};
use super::{Connection, show};
use crate::exit::{Exit, Failure};
use crate::out;
use list::List;
use options::{Create, Update};

/// The subcommands of `gmtech keys` that use the running service.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a key; its text is shown only once
    #[command(after_help = "Examples:
  gmtech keys create --team demo --name ci
  gmtech keys create --team demo --name ci --tier free --json
  gmtech keys create --team demo --name batch --model 'gpt-4o*' --rpm 10 --tpm 20000 --expires-in 30days
  gmtech keys create --team demo --name intern --budget-day 2.50 --model-budget 'o3:month=10'
  gmtech keys create --team demo --name prod --owner ada@example.com --tag prod --allowed-ip 203.0.113.0/24 \\
      --endpoint chat_completions --metadata ticket=OPS-7")]
    Create(Box<Create>),
    /// List keys, the newest first
    #[command(after_help = "Examples:
  gmtech keys list --team demo --status active
  gmtech keys list --search batch --tag nightly --sort last_used
  gmtech keys list --expiring-in 7days
  gmtech keys list --team demo --json | jq -r '.data[].id'")]
    List(List),
    /// Show one key
    #[command(after_help = "Example:\n  gmtech keys show key_x --json")]
    Show(One),
    /// Change a key's name, permissions, limits or budgets
    #[command(after_help = "Examples:
  gmtech keys update key_x --rpm 100
  gmtech keys update key_x --model 'gpt-4o*' --model o3
  gmtech keys update key_x --any-model --never-expires --tier-limits")]
    Update(Box<Update>),
    /// Pause a key: its requests are answered 401
    #[command(after_help = "Examples:
  gmtech keys suspend key_x
  gmtech keys suspend key_x --wait          waits until every live proxy has it, at most 10 s")]
    Suspend(Status),
    /// Make a suspended key work again
    #[command(after_help = "Example:\n  gmtech keys resume key_x --wait")]
    Resume(Status),
    /// End a key for good: its requests are answered 403
    #[command(after_help = "Examples:
  gmtech keys revoke key_x
  gmtech keys revoke key_x --wait          waits until every live proxy has it, at most 10 s
  gmtech keys revoke key_x --wait 2s --json

With --wait the exit status is 0 if at least one proxy is live and every live proxy has the change, and 3 otherwise: the
key is revoked, but some proxy may still accept it. Run the command again to wait longer.")]
    Revoke(Status),
    /// Make a successor of a key; the old key ends by itself after an overlap
    #[command(after_help = "Example:\n  gmtech keys rotate key_x --overlap 2h")]
    Rotate {
        /// The key to replace
        id: String,
        /// How long the old key keeps working
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
    /// Wait until every live proxy has the change
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    at: Connection,
}

/// Runs the command.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Create(new) => create(new),
        Command::List(list) => list.run(),
        Command::Show(One { id, at }) => {
            let key = at.client()?.get(&format!("keys/{}", escape(id)))?;
            at.print(&key, &KEY)
        }
        Command::Update(change) => update(change),
        Command::Suspend(status) => set_status(status, "suspend"),
        Command::Resume(status) => set_status(status, "resume"),
        Command::Revoke(status) => set_status(status, "revoke"),
        Command::Rotate { id, overlap, at } => {
            let body = json!({"overlap_seconds": overlap.as_secs()});
            let path = format!("keys/{}/rotate", escape(id));
            let key = at.client()?.post(&path, &body)?;
            let until = text(&key, "/old/expires_at");
            let until = if until.is_empty() { "now" } else { &until };
            print_new(&key, at, &format!("{id} works until {until}.\n"))
        }
    }
}

fn create(new: &Create) -> Result<()> {
    let mut body = Map::new();
    body.insert("team".into(), json!(new.team));
    body.insert("name".into(), json!(new.name));
    body.insert("tier".into(), json!(new.tier));
    new.may.add_to(&mut body);
    let once = new.idempotency_key.as_deref();
    let key = new.at.client()?.post_once("keys", &body.into(), once)?;
    print_new(&key, &new.at, "")
}

fn update(change: &Update) -> Result<()> {
    let client = change.at.client()?;
    let path = format!("keys/{}", escape(&change.id));
    let body = change.body(&client.get(&path)?);
    if body.is_empty() {
        bail!("name what to change: see gmtech keys update --help");
    }
    let key = client.send(Method::PATCH, &path, &body.into())?;
    change.at.print(&key, &KEY)
}

fn set_status(change: &Status, action: &str) -> Result<()> {
    let wait = change.wait.map(|w| w.as_millis().to_string());
    let path = with_query(
        &format!("keys/{}/{action}", escape(&change.id)),
        [("wait", wait.as_deref())],
    );
    let key = change.at.client()?.post(&path, &json!({}))?;
    if change.at.json() {
        show::json(&key)?;
    } else {
        let (id, status) = (text(&key, "/id"), text(&key, "/status"));
        out::print(&format!("{id} is {status}.\n{}", receipt(&key)))?;
    }
    match key.get("receipt").filter(|_| change.wait.is_some()) {
        Some(receipt) => everywhere(receipt),
        None => Ok(()),
    }
}

fn receipt(key: &Value) -> String {
    if key.get("receipt").is_none() {
        return String::new();
    }
    let (applied, live, took) = (
        text(key, "/receipt/applied"),
        text(key, "/receipt/live"),
        text(key, "/receipt/took_ms"),
    );
    format!("{applied} of {live} live proxies have it after {took} ms.\n")
}

/// Fails unless every live proxy has the change, and there is at least one.
fn everywhere(receipt: &Value) -> Result<()> {
    let count = |field: &str| receipt.get(field).and_then(Value::as_u64).unwrap_or(0);
    let (live, applied) = (count("live"), count("applied"));
    let message = match live {
        0 => "done, but no proxy is live, so none has confirmed the change: \
              start Envoy, or see `gmtech doctor`"
            .into(),
        _ if applied == live => return Ok(()),
        _ => {
            let pending = text(receipt, "/pending");
            format!(
                "done, but {} of {live} live proxies have not confirmed the change ({pending}): \
                 run it again to wait longer, and see `gmtech proxies`",
                live - applied
            )
        }
    };
    Err(Failure::new(Exit::NotEverywhere, "not_everywhere", message).into())
}

/// A field's value as text, strings without quotation marks.
fn text(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let texts: Vec<_> = items.iter().map(|item| text(item, "")).collect();
            texts.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

fn print_new(key: &Value, at: &Connection, after: &str) -> Result<()> {
    let shown = if at.json() {
        format!("{key}\n")
    } else {
        let first = match key.get("key").and_then(Value::as_str) {
            Some(text) => format!("{text}\n\nThis is the only time that the key is shown.\n\n"),
            None => "An earlier call has made this key and shown it.\n\n".into(),
        };
        first + &show::format_fields(key, &KEY) + after
    };
    let lost = format!(
        "{} was made and could not be shown: revoke it, or rotate it",
        text(key, "/id")
    );
    out::print_once(&shown, &lost)
}

const KEY: [&str; 25] = [
    "id",
    "redacted_key",
    "name",
    "team",
    "owner",
    "tags",
    "metadata",
    "tier",
    "status",
    "suspended_by",
    "models",
    "endpoints",
    "allowed_ips",
    "limits",
    "budgets",
    "over_budget",
    "over_soft_budget",
    "spent_models",
    "expires_at",
    "created_at",
    "created_by",
    "last_used_at",
    "lineage",
    "rotated_from",
    "rotated_to",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_succeeds_only_if_every_live_proxy_has_the_change() {
        for (live, applied, exit) in [
            (1, 1, None),
            (3, 3, None),
            (1, 0, Some("1 of 1 live proxies have not")),
            (3, 2, Some("1 of 3 live proxies have not")),
            (0, 0, Some("no proxy is live")),
        ] {
            let receipt = json!({"live": live, "applied": applied, "complete": live == applied, "pending": ["e1"]});
            let said = everywhere(&receipt).err();
            let failure = said.as_ref().and_then(|e| e.downcast_ref::<Failure>());
            assert_eq!(failure.map(|f| f.exit), exit.map(|_| Exit::NotEverywhere));
            if let (Some(failure), Some(part)) = (failure, exit) {
                assert!(failure.message.contains(part), "{}", failure.message);
            }
        }
    }
}
