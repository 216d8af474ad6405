//! `gmtech keys list`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::options::now;
use crate::admin::Connection;

/// Which keys.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only those that are so now: active, over_budget, suspended, expired or revoked
    #[arg(long)]
    status: Option<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only of this member
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,
    /// Only of this tier
    #[arg(long)]
    tier: Option<String>,
    /// Only with this text in name or id, or at the beginning of what is shown of the key
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those that expire within this time, as 7days
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "expires_before")]
    expiring_in: Option<Duration>,
    /// Only those that expire before this, as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    /// Only those that expire then or later
    #[arg(long, value_name = "TIME")]
    expires_after: Option<String>,
    /// The order: created, name, last_used or expires
    #[arg(long)]
    sort: Option<String>,
    /// In the opposite order
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    at: Connection,
}

impl List {
    /// Lists them.
    ///
    /// # Errors
    /// Where the service cannot be reached or refuses.
    pub(super) fn run(&self) -> Result<()> {
        let stamp = |at| humantime::format_rfc3339_seconds(at).to_string();
        let now = now();
        let soon = self.expiring_in.map(|within| stamp(now + within));
        // What has expired already is not about to.
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
