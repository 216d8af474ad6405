//! Changes of keys and of credit states, as the proxies learn them.

use gmtech_core::key::KeyDigest;
use gmtech_core::sync::{KeyEntry, TeamEntry, TierEntry};
use serde_json::json;
use sqlx::Row;
use tokio::sync::watch;

use super::{Store, new_epoch_number, next_version, note, restored, rows, signed};
use crate::store::{By, Change, Changes, Head, Result};

impl Store {
    /// The present version and epoch.
    pub async fn head(&self) -> Result<Head> {
        let row = sqlx::query("SELECT epoch, version FROM meta")
            .fetch_one(&self.readers)
            .await?;
        rows::head(&row)
    }

    /// What changed after `since`, at most `limit` entries.
    pub async fn changes(&self, since: u64, limit: usize) -> Result<Changes> {
        // The head is read first and bounds both lists. What moves beyond it meanwhile is missing here and comes
        // with its new version on a later page.
        let head = self.head().await?;
        let page = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let keys = sqlx::query(
            "SELECT * FROM keys WHERE version > $1 AND version <= $2 ORDER BY version LIMIT $3",
        )
        .bind(signed(since))
        .bind(signed(head.version))
        .bind(page)
        .fetch_all(&self.readers)
        .await?;
        let teams = sqlx::query(
            "SELECT * FROM teams WHERE version > $1 AND version <= $2 ORDER BY version LIMIT $3",
        )
        .bind(signed(since))
        .bind(signed(head.version))
        .bind(page)
        .fetch_all(&self.readers)
        .await?;
        let keys = keys
            .iter()
            .map(rows::key_entry)
            .collect::<Result<Vec<_>>>()?;
        let teams = teams
            .iter()
            .map(rows::team_entry)
            .collect::<Result<Vec<_>>>()?;
        // Tiers are few and stand on no page of their own: the first page of a snapshot has all of them, so that no key is
        // known before its tier.
        let tiers = self.changed_tiers(since, head.version).await?;
        Ok(page_of(head, keys, teams, tiers, limit))
    }

    /// One key by digest, with its team's credit and its tier; the tier is `None` if there never was one of that name.
    pub async fn resolve(
        &self,
        digest: &KeyDigest,
    ) -> Result<(Head, Option<(KeyEntry, TeamEntry, Option<TierEntry>)>)> {
        let head = self.head().await?;
        let key = sqlx::query("SELECT * FROM keys WHERE digest = $1")
            .bind(digest.as_bytes().to_vec())
            .fetch_optional(&self.readers)
            .await?;
        let Some(key) = key else {
            return Ok((head, None));
        };
        let team = sqlx::query("SELECT * FROM teams WHERE id = $1")
            .bind(key.try_get::<String, _>("team_id")?)
            .fetch_one(&self.readers)
            .await?;
        let tier = self.tier_entry(&key.try_get::<String, _>("tier")?).await?;
        Ok((
            head,
            Some((rows::key_entry(&key)?, rows::team_entry(&team)?, tier)),
        ))
    }

    /// Starts another history of versions, because this one went back, and keeps what was lost; gives the present one.
    /// Where the epoch is not `from`'s any more, another process has done it.
    pub async fn new_epoch(&self, from: Head, why: &str, lost: &[Change], by: &By) -> Result<Head> {
        // Proxies that follow an older history do not hear of revocations.
        self.urgently(|| self.start_epoch(from, why, lost, by))
            .await
    }

    /// Wakes up when this process has made a version; other processes' changes are only seen by asking.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

impl Store {
    async fn start_epoch(&self, from: Head, why: &str, lost: &[Change], by: &By) -> Result<Head> {
        let mut tx = self.begin_urgent().await?;
        let changed = sqlx::query("UPDATE meta SET epoch = $1 WHERE epoch = $2")
            .bind(new_epoch_number()?)
            .bind(signed(from.epoch))
            .execute(&mut *tx)
            .await?;
        if changed.rows_affected() > 0 {
            next_version(&mut tx).await?;
            let detail = json!({"why": why, "lost": lost.len()});
            note(&mut tx, by, "sync.new_epoch", "sync", None, detail).await?;
            restored::keep(&mut tx, lost, by.now).await?;
        }
        let row = sqlx::query("SELECT epoch, version FROM meta")
            .fetch_one(&mut *tx)
            .await?;
        self.commit(tx).await?;
        rows::head(&row)
    }
}

/// The first `limit` entries of both lists by version. Each change has a version of its own, so a page can
/// end at any of them.
fn page_of(
    head: Head,
    mut keys: Vec<KeyEntry>,
    mut teams: Vec<TeamEntry>,
    tiers: Vec<TierEntry>,
    limit: usize,
) -> Changes {
    let mut versions: Vec<u64> = keys
        .iter()
        .map(|k| k.version)
        .chain(teams.iter().map(|t| t.version))
        .collect();
    versions.sort_unstable();
    let more = versions.len() > limit;
    let mut to = head;
    if more {
        to.version = limit
            .checked_sub(1)
            .and_then(|last| versions.get(last))
            .copied()
            .unwrap_or(0);
        keys.retain(|k| k.version <= to.version);
        teams.retain(|t| t.version <= to.version);
    }
    Changes {
        to,
        more,
        keys,
        teams,
        tiers,
    }
}
