//! `gmtech proxies`: the proxies that were heard within a day.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::Connection;
use crate::out;

/// The options of `gmtech proxies`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech proxies
  gmtech proxies --json | jq '.data | map(select(.live and (.current | not)))'

A proxy is live if it has polled within the service's --live-window (30s); one that is gone is listed for a day.
BEHIND is the number of changes that it has not applied. OTHER TIERS are those of its configuration with other limits
or models than the service's.")]
pub(crate) struct Proxies {
    #[command(flatten)]
    at: Connection,
}

/// Lists the proxies.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(asked: &Proxies) -> Result<()> {
    let mut known = asked.at.client()?.list("proxies")?;
    if !asked.at.json() {
        if known.is_empty() {
            out::say("No proxy was heard within a day.\n");
        }
        for proxy in &mut known {
            let live = proxy.get("live") == Some(&Value::Bool(true));
            if let Value::Object(fields) = proxy {
                let state = if live { "live" } else { "gone" };
                fields.insert("state".into(), state.into());
            }
        }
    }
    let columns = [
        ("ID", "id"),
        ("STATE", "state"),
        ("FILTER", "filter_version"),
        ("VERSION", "version"),
        ("BEHIND", "behind"),
        ("KEYS", "keys_held"),
        ("OTHER TIERS", "tiers_different"),
        ("LAST SEEN", "seen_at"),
    ];
    asked.at.print_list(known, &columns)
}
