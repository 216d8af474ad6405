//! `gmtech audit`, `proxies`, `tiers`: who changed what, who follows, what there is to choose from.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::with_query;
use super::{Connection, show};
use crate::out;

/// The most entries that the service gives at once.
const PAGE: usize = 500;

/// Which changes.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech audit
  gmtech audit --subject key_x --json
  gmtech audit --team acme --limit 1000")]
pub(crate) struct Audit {
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only of this key, team or token
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    at: Connection,
}

/// The live proxies.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech proxies
  gmtech proxies --json | jq '.data | map(select(.current | not))'

A proxy is live if it was heard of within the service's --live-window (30s).")]
pub(crate) struct Proxies {
    #[command(flatten)]
    at: Connection,
}

/// The tiers.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  gmtech tiers")]
pub(crate) struct Tiers {
    #[command(flatten)]
    at: Connection,
}

/// Shows the audit log.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn audit(asked: &Audit) -> Result<()> {
    let client = asked.at.client()?;
    let (mut entries, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    while entries.len() < asked.limit {
        let limit = PAGE.min(asked.limit - entries.len()).to_string();
        let query = [
            ("team", asked.team.as_deref()),
            ("subject", asked.subject.as_deref()),
            ("limit", Some(limit.as_str())),
            ("after", after.as_deref()),
        ];
        let mut page = client.get(&with_query("audit", query))?;
        if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
            entries.extend(data);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    let columns = [
        ("AT", "at"),
        ("BY", "actor"),
        ("ACTION", "action"),
        ("SUBJECT", "subject"),
        ("TEAM", "team"),
        ("DETAIL", "detail"),
    ];
    asked.at.print_list(entries, &columns)
}

/// Lists the live proxies.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn proxies(asked: &Proxies) -> Result<()> {
    let live = asked.at.client()?.list("proxies")?;
    if live.is_empty() && !asked.at.json() {
        out::say("No proxy was heard of lately.\n");
    }
    let columns = [
        ("ID", "id"),
        ("VERSION", "version"),
        ("CURRENT", "current"),
        ("LAST SEEN", "seen_at"),
    ];
    asked.at.print_list(live, &columns)
}

/// Lists what a restore has lost, or says that all of it was seen to.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn lost(at: &Connection, seen_to: bool) -> Result<()> {
    let client = at.client()?;
    if seen_to {
        client.send(Method::DELETE, "restored", &json!({}))?;
        return at.print(&json!({"seen_to": true}), &["seen_to"]);
    }
    let lost = client.list("restored")?;
    if lost.is_empty() && !at.json() {
        out::say("Nothing that a restore has lost waits to be seen to.\n");
    }
    at.print_list(lost, &[("AT", "at"), ("BY", "actor"), ("LOST", "advice")])
}

/// Lists the tiers.
///
/// # Errors
/// Where the service cannot be reached or refuses.
pub(crate) fn tiers(asked: &Tiers) -> Result<()> {
    let tiers = asked.at.client()?.list("tiers")?;
    if asked.at.json() {
        return show::json(&json!({"object": "list", "data": tiers}));
    }
    let names: Vec<_> = tiers.iter().filter_map(Value::as_str).collect();
    out::print(&format!("{}\n", names.join("\n")))
}
