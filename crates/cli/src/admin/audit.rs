//! `gmtech audit`: the audit log.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::Connection;
use super::client::with_query;

/// The most entries that the service returns at once.
const PAGE: usize = 500;

/// The filters of `gmtech audit`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech audit
  gmtech audit --subject key_x --json
  gmtech audit --team acme --limit 1000
  gmtech audit --action key.revoke --actor tok_x --from 2026-11-01 --to 2026-11-30

Times are UTC.")]
pub(crate) struct Audit {
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only of this key, team or token
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only by this token or person, by its id or address as the log shows it
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only this action, such as key.revoke
    #[arg(long)]
    action: Option<String>,
    /// The first UTC day (2026-11-23) or instant (2026-11-23T08:00:00Z) to include
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The last day to include, or the instant to stop before
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Show at most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    at: Connection,
}

/// Shows the audit log.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(asked: &Audit) -> Result<()> {
    let client = asked.at.client()?;
    let (mut entries, mut after): (Vec<Value>, Option<String>) = (Vec::new(), None);
    while entries.len() < asked.limit {
        let limit = PAGE.min(asked.limit - entries.len()).to_string();
        let query = [
            ("team", asked.team.as_deref()),
            ("subject", asked.subject.as_deref()),
            ("actor", asked.actor.as_deref()),
            ("action", asked.action.as_deref()),
            ("from", asked.from.as_deref()),
            ("to", asked.to.as_deref()),
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
