//! Tiers.

use gmtech_core::ident::TierName;
use gmtech_core::sync::TierEntry;
use gmtech_core::tier::Tier;
use serde_json::{Value, json};
use sqlx::Row;

use super::{Store, Tx, next_version, note, rows, signed};
use crate::store::{By, Result, StoreError, TierInfo};

/// The most keys of a tier that are counted.
const MOST_KEYS_COUNTED: i64 = 1_000;

/// The most tiers that there may be: a poll and every page of the directory may have all of them.
const MOST_TIERS: i64 = 200;

impl Store {
    /// All tiers, by name.
    pub async fn tiers(&self) -> Result<Vec<TierInfo>> {
        let found = sqlx::query("SELECT * FROM tiers WHERE removed_at IS NULL ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::tier).collect()
    }

    /// The number of keys of a tier that have not been revoked; at most [`MOST_KEYS_COUNTED`] are counted.
    pub async fn keys_of_tier(&self, name: &TierName) -> Result<u32> {
        let row = sqlx::query(COUNT_KEYS)
            .bind(name.as_str())
            .bind(MOST_KEYS_COUNTED)
            .fetch_one(&self.readers)
            .await?;
        count(row.try_get(0)?)
    }

    /// Stores these tiers if none has ever been stored.
    pub async fn seed_tiers(&self, tiers: &[(TierName, Tier)], by: &By) -> Result<()> {
        if !self.tiers().await?.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT COUNT(*) FROM tiers")
            .fetch_one(&mut *tx)
            .await?;
        if row.try_get::<i64, _>(0)? > 0 {
            return Ok(());
        }
        for (name, tier) in tiers {
            put(&mut tx, name, tier, by).await?;
            note(
                &mut tx,
                by,
                "tier.create",
                name.as_str(),
                None,
                detail(tier),
            )
            .await?;
        }
        self.commit(tx).await
    }

    /// Stores a new tier.
    pub async fn create_tier(&self, name: &TierName, tier: &Tier, by: &By) -> Result<TierInfo> {
        let mut tx = self.begin().await?;
        if load(&mut tx, name).await?.is_some() {
            return Err(StoreError::Conflict(format!(
                "tier {name} is there already"
            )));
        }
        let row = sqlx::query("SELECT COUNT(*) FROM tiers WHERE removed_at IS NULL")
            .fetch_one(&mut *tx)
            .await?;
        if row.try_get::<i64, _>(0)? >= MOST_TIERS {
            let why = format!("there are {MOST_TIERS} tiers, and there cannot be more");
            return Err(StoreError::Conflict(why));
        }
        put(&mut tx, name, tier, by).await?;
        note(
            &mut tx,
            by,
            "tier.create",
            name.as_str(),
            None,
            detail(tier),
        )
        .await?;
        self.loaded(tx, name).await
    }

    /// Changes a tier from `was` to `is`.
    pub async fn update_tier(
        &self,
        name: &TierName,
        was: &Tier,
        is: &Tier,
        by: &By,
    ) -> Result<TierInfo> {
        let mut tx = self.begin().await?;
        let there = load(&mut tx, name).await?.ok_or(NO_TIER)?.tier;
        if there != *was {
            let why =
                format!("tier {name} has just been changed by somebody else; look at it again");
            return Err(StoreError::Conflict(why));
        }
        if is != was {
            put(&mut tx, name, is, by).await?;
            let detail = json!({"was": detail(was), "is": detail(is)});
            note(&mut tx, by, "tier.update", name.as_str(), None, detail).await?;
        }
        self.loaded(tx, name).await
    }

    /// Removes a tier that no key has.
    pub async fn remove_tier(&self, name: &TierName, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        load(&mut tx, name).await?.ok_or(NO_TIER)?;
        let row = sqlx::query(COUNT_KEYS)
            .bind(name.as_str())
            .bind(MOST_KEYS_COUNTED)
            .fetch_one(&mut *tx)
            .await?;
        let keys: i64 = row.try_get(0)?;
        if keys > 0 {
            let many = if keys < MOST_KEYS_COUNTED {
                ""
            } else {
                "or more "
            };
            return Err(StoreError::Conflict(format!(
                "{keys} {many}keys have tier {name}; give them another tier, or revoke them"
            )));
        }
        sqlx::query("UPDATE tiers SET removed_at = $1, version = $2 WHERE name = $3")
            .bind(by.now.0)
            .bind(next_version(&mut tx).await?)
            .bind(name.as_str())
            .execute(&mut *tx)
            .await?;
        note(&mut tx, by, "tier.remove", name.as_str(), None, json!({})).await?;
        self.commit(tx).await
    }

    /// Commits, and gives the tier as it was stored.
    async fn loaded(&self, mut tx: Tx, name: &TierName) -> Result<TierInfo> {
        let stored = load(&mut tx, name).await?.ok_or(NO_TIER)?;
        self.commit(tx).await?;
        Ok(stored)
    }

    /// The tiers that changed after `since`, up to `to`; from 0 on all that there are, and none that is gone.
    pub(super) async fn changed_tiers(&self, since: u64, to: u64) -> Result<Vec<TierEntry>> {
        let found = sqlx::query(
            "SELECT * FROM tiers WHERE version > $1 AND version <= $2 AND ($1 > 0 OR removed_at IS NULL) ORDER BY version",
        )
        .bind(signed(since))
        .bind(signed(to))
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(rows::tier_entry).collect()
    }

    /// What is known of a tier of this name; `None` if there never was one.
    pub(super) async fn tier_entry(&self, name: &str) -> Result<Option<TierEntry>> {
        let row = sqlx::query("SELECT * FROM tiers WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::tier_entry).transpose()
    }
}

const NO_TIER: StoreError = StoreError::NotFound("tier");

const COUNT_KEYS: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM keys WHERE tier = $1 AND status <> 'revoked' LIMIT $2) AS counted";

fn count(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| StoreError::Corrupt("count"))
}

/// The tier of this name, within a transaction.
async fn load(tx: &mut Tx, name: &TierName) -> Result<Option<TierInfo>> {
    let row = sqlx::query("SELECT * FROM tiers WHERE name = $1 AND removed_at IS NULL")
        .bind(name.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(rows::tier).transpose()
}

/// Refuses a tier that has been removed, perhaps since the request was checked.
pub(super) async fn must_not_be_removed(tx: &mut Tx, name: &TierName) -> Result<()> {
    let removed = sqlx::query("SELECT 1 FROM tiers WHERE name = $1 AND removed_at IS NOT NULL")
        .bind(name.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    match removed {
        None => Ok(()),
        Some(_) => Err(StoreError::Conflict(format!(
            "tier {name} has been removed"
        ))),
    }
}

/// Writes a tier under the next version, in place of one that was removed.
async fn put(tx: &mut Tx, name: &TierName, tier: &Tier, by: &By) -> Result<()> {
    let optional = |n: Option<std::num::NonZeroU32>| n.map(|n| i64::from(n.get()));
    sqlx::query(
        "INSERT INTO tiers (name, requests_per_minute, requests_burst, tokens_per_minute, tokens_burst, max_in_flight, models,
             created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (name) DO UPDATE SET requests_per_minute = excluded.requests_per_minute,
             requests_burst = excluded.requests_burst, tokens_per_minute = excluded.tokens_per_minute,
             tokens_burst = excluded.tokens_burst, max_in_flight = excluded.max_in_flight, models = excluded.models,
             created_at = CASE WHEN tiers.removed_at IS NULL THEN tiers.created_at ELSE excluded.created_at END,
             removed_at = NULL, version = excluded.version",
    )
    .bind(name.as_str())
    .bind(i64::from(tier.requests_per_minute.get()))
    .bind(optional(tier.requests_burst))
    .bind(i64::from(tier.tokens_per_minute.get()))
    .bind(optional(tier.tokens_burst))
    .bind(optional(tier.max_in_flight))
    .bind(rows::to_json(&tier.models)?)
    .bind(by.now.0)
    .bind(next_version(tx).await?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A tier for the audit log.
fn detail(tier: &Tier) -> Value {
    json!({
        "limits": tier.as_overrides(),
        "models": tier.models,
    })
}
