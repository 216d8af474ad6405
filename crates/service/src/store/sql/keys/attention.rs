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

/// What a count needs of a key: all of it stands in the indexes.
const COUNTED: &str = "id, created_at, expires_at";

/// These columns of the keys, as `keys`, and their order. The team is `$1`; the other two values are [`bounds`].
fn select(attention: Attention, columns: &str) -> (String, &'static str) {
    let walked = |condition: &str, order: &str| {
        format!(
            "(SELECT {columns} FROM keys WHERE team_id = $1 AND status = 'active' AND {condition} ORDER BY {order} LIMIT {MAX_LOOKED_AT})
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
            let from = format!(
                "(SELECT {columns} FROM keys WHERE team_id = $1 AND status = 'active' AND expires_at > $2 AND expires_at <= $3) AS keys"
            );
            (from, end)
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

fn list(attention: Attention, limit: u32, skip: u32) -> String {
    let (from, order) = select(attention, "*");
    format!("SELECT keys.* FROM {from} ORDER BY {order} LIMIT {limit} OFFSET {skip}")
}

fn count(attention: Attention) -> String {
    let (from, _) = select(attention, COUNTED);
    format!("SELECT COUNT(*) FROM (SELECT keys.id FROM {from} LIMIT {MAX_COUNTED}) AS counted")
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
        let sql = list(attention, limit, skip);
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
        let sql = count(attention);
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

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    /// Each count reads an index and no key besides; each list walks the index of its reason.
    #[tokio::test]
    async fn each_reason_has_an_index_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gmtech.db");
        let _store = Store::sqlite(&path).await.unwrap();
        let url = format!("sqlite://{}", path.display());
        let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
        for attention in Attention::ALL {
            let index = match attention {
                Attention::NeverExpires => "keys_never_expires",
                Attention::NoBudget => "keys_no_budget",
                Attention::Unused => "keys_idle",
                Attention::ExpiresSoon => "keys_expiring",
                Attention::RevokedInUse => "usage_daily_revoked",
            };
            for (sql, counts) in [(count(attention), true), (list(attention, 25, 0), false)] {
                let (low, high) = bounds(attention, Millis(1_000_000_000_000));
                let explained = format!("EXPLAIN QUERY PLAN {sql}");
                let found = sqlx::query(&explained).bind("acme").bind(low).bind(high);
                let found = found.fetch_all(&mut raw).await.unwrap();
                let steps: Vec<String> = found.iter().map(|row| row.get(3)).collect();
                let walk = steps.iter().find(|step| step.starts_with("SEARCH"));
                let walk = walk.unwrap_or_else(|| panic!("{sql}: {steps:?}"));
                assert!(walk.contains(index), "{sql}: {steps:?}");
                // What expires soon is found by its index, and few keys do.
                if counts && attention != Attention::ExpiresSoon {
                    assert!(walk.contains("COVERING INDEX"), "{sql}: {steps:?}");
                }
            }
        }
    }
}
