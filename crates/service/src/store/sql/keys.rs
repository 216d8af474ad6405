//! Keys: read, written, found.
//!
//! What a key may use and spend belongs to its *lineage*, the chain of keys that rotation continues: all of its keys that
//! are not revoked have the same tier, models, endpoints, addresses, limits and budgets, and are judged together.

mod attention;
mod budgets;
mod create;
mod expiry;
mod list;
mod update;

use gmtech_core::ident::KeyId;
use gmtech_core::record::Status;
use sqlx::Row;

pub(super) use self::budgets::judge_budget;
use super::{Store, Tx, next_version, rows, signed, unsigned};
use crate::store::{By, KeyInfo, Result, Role, StoreError};

impl Store {
    /// One key.
    pub async fn key(&self, id: &KeyId) -> Result<KeyInfo> {
        let row = sqlx::query("SELECT * FROM keys WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::NotFound("key"))?;
        rows::key(&row)
    }

    /// Suspends, resumes or revokes. A revoked key stays revoked; a change to the status it has is no change.
    pub async fn set_status(&self, id: &KeyId, status: Status, by: &By) -> Result<KeyInfo> {
        match status {
            Status::Active => {
                self.change_status(self.begin().await?, id, status, by)
                    .await
            }
            Status::Suspended | Status::Revoked => {
                self.urgently(|| async {
                    let tx = self.begin_urgent().await?;
                    self.change_status(tx, id, status, by).await
                })
                .await
            }
        }
    }
}

/// One key, within a transaction.
pub(super) async fn load(tx: &mut Tx, id: &str) -> Result<KeyInfo> {
    let row = sqlx::query("SELECT * FROM keys WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(StoreError::NotFound("key"))?;
    rows::key(&row)
}

/// The keys of a lineage that are not revoked, the oldest first.
pub(super) async fn lineage(tx: &mut Tx, account: &KeyId) -> Result<Vec<KeyInfo>> {
    let found = sqlx::query(
        "SELECT * FROM keys WHERE lineage = $1 AND status <> 'revoked' ORDER BY created_at, id",
    )
    .bind(account.as_str())
    .fetch_all(&mut **tx)
    .await?;
    found.iter().map(rows::key).collect()
}

/// How many chains of keys of a team have not ended.
async fn living(tx: &mut Tx, team: &str, by: &By) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(DISTINCT lineage) FROM keys WHERE team_id = $1 AND status <> 'revoked'
           AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(team)
    .bind(signed(by.now.unix_seconds()))
    .fetch_one(&mut **tx)
    .await?;
    unsigned(row.try_get(0)?)
}

/// Writes all of a key that can change, under the next version.
pub(super) async fn save(tx: &mut Tx, key: &mut KeyInfo) -> Result<()> {
    let version = next_version(tx).await?;
    let record = &key.record;
    sqlx::query(
        "UPDATE keys SET name = $1, folded = $2, tier = $3, status = $4, models = $5, limits = $6, expires_at = $7,
             addresses = $8, endpoints = $9, spent_models = $10, budgets = $11, budgeted = $12, over_budget = $13,
             over_soft_budget = $14, owner = $15, metadata = $16, tags = $17, suspended_by = $18, rotated_to = $19,
             version = $20 WHERE id = $21",
    )
    .bind(&*key.name)
    .bind(key.name.to_lowercase())
    .bind(record.tier.as_str())
    .bind(record.status.name())
    .bind(rows::optional_json(record.models.as_ref())?)
    .bind(rows::to_json(&record.limits)?)
    .bind(record.expires_at.map(signed))
    .bind(rows::optional_json(record.addresses.as_ref())?)
    .bind(rows::optional_json(record.endpoints.as_ref())?)
    .bind(rows::optional_json(record.spent_models.as_ref())?)
    .bind(rows::to_json(&key.budgets)?)
    .bind(i64::from(!key.budgets.is_empty()))
    .bind(i64::from(key.over_budget))
    .bind(i64::from(key.over_soft_budget))
    .bind(key.owner.clone())
    .bind(rows::to_json(&key.metadata)?)
    .bind(rows::to_json(&key.tags)?)
    .bind(key.suspended_by.map(Role::name))
    .bind(key.rotated_to.as_ref().map(|id| id.as_str().to_owned()))
    .bind(version)
    .bind(record.id.as_str())
    .execute(&mut **tx)
    .await?;
    key.version = unsigned(version)?;
    Ok(())
}

/// Writes a key's tags where lists find them.
async fn save_tags(tx: &mut Tx, key: &KeyInfo) -> Result<()> {
    let id = key.record.id.as_str();
    sqlx::query("DELETE FROM key_tags WHERE key_id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    for tag in &key.tags {
        sqlx::query(
            "INSERT INTO key_tags (key_id, tag, team_id, created_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(id)
        .bind(&**tag)
        .bind(key.record.team.as_str())
        .bind(key.created_at.0)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
