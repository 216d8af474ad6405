//! `gmtech proxies`: the live proxies.

use anyhow::Result;
use clap::Args;

use super::Connection;
use crate::out;

/// The options of `gmtech proxies`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gmtech proxies
  gmtech proxies --json | jq '.data | map(select(.current | not))'

A proxy is live if it has polled within the service's --live-window (30s).")]
pub(crate) struct Proxies {
    #[command(flatten)]
    at: Connection,
}

/// Lists the live proxies.
///
/// # Errors
/// If the service cannot be reached or refuses.
pub(crate) fn run(asked: &Proxies) -> Result<()> {
    let live = asked.at.client()?.list("proxies")?;
    if live.is_empty() && !asked.at.json() {
        out::say("No proxy is live.\n");
    }
    let columns = [
        ("ID", "id"),
        ("VERSION", "version"),
        ("CURRENT", "current"),
        ("LAST SEEN", "seen_at"),
    ];
    asked.at.print_list(live, &columns)
}
