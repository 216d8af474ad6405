//! Keys that deserve a look: lists and counts whose cost does not grow with the number of keys.
//!
//! Each reads an index of its own (migration 0015), at most [`MAX_LOOKED_AT`] rows of it. The few conditions that no index can
//! hold, since they depend on the time, are checked on these rows.

use gmtech_core::ident::TeamId;
use sqlx::Row;

use crate::clock::{DAY_MS, Millis};
use crate::store::sql::{Store, rows, signed};
use crate::store::{Attention, KeyInfo, Result};

/// The most rows of an index that are read.
const MAX_LOOKED_AT: u32 = 10_000;

/// The most keys that are counted.
const MAX_COUNTED: u32 = 1_000;

const UNUSED_DAYS: i64 = 90;
const SOON_DAYS: i64 = 7;
const REVOKED_DAYS: i64 = 7;

/// The keys, as `keys`, and their order. The team is `$1`; the other two values are [`bounds`].
fn select(attention: Attention) -> (String, &'static str) {
    let walked = |condition: &str, order: &str| {
        format!(
            "(SELECT * FROM keys WHERE team_id = $1 AND status = 'active' AND {condition} ORDER BY {order} LIMIT {MAX_LOOKED_AT})
             AS keys WHERE created_at < $2 AND (expires_at IS NULL OR expires_at > $3)"
        )
    };
    let newest = "created_at DESC, id DESC";
    let idle = "COALESCE(last_used_at, created_at), id";
    match attention {
        Attention::NeverExpires => (walked("expires_at IS NULL", newest), newest),
        Attention::NoBudget => (walked("budgeted = 0", newest), newest),
        Attention::Unused => (
            walked("COALESCE(last_used_at, created_at) < $2", idle),
            idle,
        ),
        Attention::ExpiresSoon => {
            let end = "expires_at, id";
            let from = "(SELECT * FROM keys WHERE team_id = $1 AND status = 'active' AND expires_at > $2 AND expires_at <= $3) AS keys";
            (from.into(), end)
        }
        Attention::RevokedInUse => {
            let refused = format!(
                "(SELECT key_id, MAX(day) AS refused_on FROM (SELECT key_id, day FROM usage_daily
                   WHERE team_id = $1 AND day >= $2 AND day <= $3 AND decision = 'key_revoked' ORDER BY day DESC, key_id
                   LIMIT {MAX_LOOKED_AT}) AS walked GROUP BY key_id) AS refused
                 JOIN keys ON keys.id = refused.key_id WHERE keys.status = 'revoked'"
            );
            (refused, "refused_on DESC, keys.id")
        }
    }
}

/// What `$2` and `$3` are.
fn bounds(attention: Attention, now: Millis) -> (i64, i64) {
    let seconds = signed(now.unix_seconds());
    match attention {
        Attention::NeverExpires | Attention::NoBudget => (i64::MAX, seconds),
        Attention::Unused => (now.0.saturating_sub(UNUSED_DAYS * DAY_MS), seconds),
        Attention::ExpiresSoon => (seconds, seconds.saturating_add(SOON_DAYS * DAY_MS / 1_000)),
        Attention::RevokedInUse => (now.day().saturating_sub(REVOKED_DAYS), now.day()),
    }
}

impl Store {
    /// The keys of a team that deserve a look for this reason at `now`, after the first `skip`: at most `limit`.
    pub async fn keys_to_look_at(
        &self,
        team: &TeamId,
        attention: Attention,
        now: Millis,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<KeyInfo>> {
        let (from, order) = select(attention);
        let sql = format!("SELECT keys.* FROM {from} ORDER BY {order} LIMIT {limit} OFFSET {skip}");
        let (low, high) = bounds(attention, now);
        let found = sqlx::query(&sql)
            .bind(team.as_str())
            .bind(low)
            .bind(high)
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::key).collect()
    }

    /// How many keys of a team deserve a look for this reason at `now`; at most 1,000 are counted.
    pub async fn count_to_look_at(
        &self,
        team: &TeamId,
        attention: Attention,
        now: Millis,
    ) -> Result<u32> {
        let (from, _) = select(attention);
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT keys.id FROM {from} LIMIT {MAX_COUNTED}) AS counted"
        );
        let (low, high) = bounds(attention, now);
        let row = sqlx::query(&sql)
            .bind(team.as_str())
            .bind(low)
            .bind(high)
            .fetch_one(&self.readers)
            .await?;
        let count: i64 = row.try_get(0)?;
        Ok(u32::try_from(count).unwrap_or(MAX_COUNTED))
    }
}
