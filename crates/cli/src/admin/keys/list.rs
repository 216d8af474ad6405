//! `gmtech keys list`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::options::now;
use crate::admin::Connection;

/// The filters and the order of `gmtech keys list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only with this status: active, over_budget, suspended, expired or revoked
    #[arg(long)]
    status: Option<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only of this owner, a member of the team
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// Only of this tier
    #[arg(long)]
    tier: Option<String>,
    /// Only with this text in the name or id, or at the start of the key's shown part
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only keys that expire within this time, such as 7days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "expires_before")]
    expiring_in: Option<Duration>,
    /// Only keys that expire before this instant, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// Only keys that expire at this instant or later
    #[arg(long, value_name = "TIME")]
    expires_after: Option<String>,
    /// Sort by created, name, last_used or expires
    #[arg(long)]
    sort: Option<String>,
    /// Reverse the order
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    at: Connection,
}

impl List {
    /// Lists the keys.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    pub(super) fn run(&self) -> Result<()> {
        let stamp = |at| humantime::format_rfc3339_seconds(at).to_string();
        let now = now();
        let soon = self.expiring_in.map(|within| stamp(now + within));
        // Keys that have expired already are left out.
        let from = self.expiring_in.map(|_| stamp(now));
        let query = [
            ("team", self.team.as_deref()),
            ("status", self.status.as_deref()),
            ("tag", self.tag.as_deref()),
            ("owner", self.owner.as_deref()),
            ("tier", self.tier.as_deref()),
            ("search", self.search.as_deref()),
            (
                "expires_before",
                soon.as_deref().or(self.expires_before.as_deref()),
            ),
            (
                "expires_after",
                self.expires_after.as_deref().or(from.as_deref()),
            ),
            ("sort", self.sort.as_deref()),
            ("reverse", self.reverse.then_some("true")),
        ];
        let keys = self.at.client()?.all("keys", &query)?;
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
        self.at.print_list(keys, &columns)
    }
}
