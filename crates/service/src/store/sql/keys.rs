//! Keys and the audit log.

use async_trait::async_trait;
use gmtech_core::ident::KeyId;
use gmtech_core::record::{KeyRecord, Status};
use serde_json::json;

use super::{SqlStore, Tx, is_taken, next_version, note, remember, replay, rows, signed};
use crate::store::{
    AuditEntry, AuditFilter, By, Created, KeyFilter, KeyInfo, KeyPatch, KeySecret, KeyStore,
    NewKey, Once, Page, PageRequest, Result, Rotated, StoreError,
};

#[async_trait]
impl KeyStore for SqlStore {
    async fn create_key(&self, new: NewKey, once: Option<Once>, by: &By) -> Result<Created> {
        let mut tx = self.begin().await?;
        if let Some(id) = replay(&mut tx, once.as_ref(), by).await? {
            let key = load(&mut tx, &id).await?;
            return Ok(Created {
                key,
                replayed: true,
            });
        }
        let key = create(&mut tx, new, by).await?;
        remember(&mut tx, once.as_ref(), key.record.id.as_str(), by).await?;
        self.commit(tx).await?;
        Ok(Created {
            key,
            replayed: false,
        })
    }

    async fn create_keys(&self, new: Vec<NewKey>, by: &By) -> Result<Vec<KeyInfo>> {
        let mut tx = self.begin().await?;
        let mut made = Vec::with_capacity(new.len());
        for new in new {
            made.push(create(&mut tx, new, by).await?);
        }
        self.commit(tx).await?;
        Ok(made)
    }

    async fn key(&self, id: &KeyId) -> Result<KeyInfo> {
        let row = sqlx::query("SELECT * FROM keys WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::NotFound("key"))?;
        rows::key(&row)
    }

    async fn keys(&self, filter: &KeyFilter, page: &PageRequest) -> Result<Page<KeyInfo>> {
        // Ids are random, so the newest first needs the time; the id breaks ties.
        let (before, before_id) = page
            .after
            .as_deref()
            .and_then(|c| c.split_once('.'))
            .and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id)))
            .unwrap_or((i64::MAX, ""));
        let found = sqlx::query(
            "SELECT * FROM keys WHERE ($1 IS NULL OR team_id = $1) AND ($2 IS NULL OR status = $2)
               AND (created_at < $3 OR (created_at = $3 AND id < $4))
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(filter.team.as_ref().map(|t| t.as_str().to_owned()))
        .bind(filter.status.map(|s| rows::status_name(s).to_owned()))
        .bind(before)
        .bind(before_id)
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::key).collect::<Result<Vec<_>>>()?;
        Ok(cut(items, page.limit, |key| {
            format!("{}.{}", key.created_at.0, key.record.id)
        }))
    }

    async fn update_key(&self, id: &KeyId, patch: KeyPatch, by: &By) -> Result<KeyInfo> {
        let mut tx = self.begin().await?;
        let mut key = load(&mut tx, id.as_str()).await?;
        if key.record.status == Status::Revoked {
            return Err(StoreError::Conflict(
                "a revoked key cannot be changed".into(),
            ));
        }
        let was = key.clone();
        let record = &mut key.record;
        if let Some(name) = patch.name {
            key.name = name;
        }
        if let Some(tier) = patch.tier {
            record.tier = tier;
        }
        if let Some(models) = patch.models {
            record.models = models;
        }
        if let Some(limits) = patch.limits {
            record.limits = limits;
        }
        if let Some(expires_at) = patch.expires_at {
            record.expires_at = expires_at;
        }
        if let Some(budgets) = patch.budgets {
            key.budgets = budgets;
            key.over_budget = super::booking::is_over(&mut tx, &key, by.now).await?;
        }
        if key == was {
            return Ok(key);
        }
        save(&mut tx, &mut key).await?;
        note(
            &mut tx,
            by,
            "key.update",
            id.as_str(),
            Some(key.record.team.as_str()),
            changes(&was, &key),
        )
        .await?;
        self.commit(tx).await?;
        Ok(key)
    }

    async fn set_status(&self, id: &KeyId, status: Status, by: &By) -> Result<KeyInfo> {
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

    async fn rotate_key(
        &self,
        id: &KeyId,
        secret: KeySecret,
        overlap_seconds: u64,
        by: &By,
    ) -> Result<Rotated> {
        let mut tx = self.begin().await?;
        let mut old = load(&mut tx, id.as_str()).await?;
        let now = by.now.unix_seconds();
        let expired = old.record.expires_at.is_some_and(|at| at <= now);
        if old.record.status == Status::Revoked || expired || old.rotated_to.is_some() {
            return Err(StoreError::Conflict(
                "only a key that is in use and has no successor can be rotated".into(),
            ));
        }
        let new = NewKey {
            secret,
            name: old.name.clone(),
            team: old.record.team.clone(),
            tier: old.record.tier.clone(),
            models: old.record.models.clone(),
            limits: old.record.limits.clone(),
            expires_at: old.record.expires_at,
            budgets: old.budgets,
        };
        let new = insert(&mut tx, new, by).await?;
        let end = now.saturating_add(overlap_seconds);
        old.record.expires_at = Some(old.record.expires_at.map_or(end, |at| at.min(end)));
        old.rotated_to = Some(new.record.id.clone());
        save(&mut tx, &mut old).await?;
        let detail = json!({"to": new.record.id, "old_ends_at": old.record.expires_at});
        note(
            &mut tx,
            by,
            "key.rotate",
            id.as_str(),
            Some(old.record.team.as_str()),
            detail,
        )
        .await?;
        self.commit(tx).await?;
        Ok(Rotated { old, new })
    }

    async fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>> {
        let found = sqlx::query(
            "SELECT * FROM audit WHERE ($1 IS NULL OR team_id = $1) AND ($2 IS NULL OR subject = $2)
               AND seq < $3 ORDER BY seq DESC LIMIT $4",
        )
        .bind(filter.team.as_ref().map(|t| t.as_str().to_owned()))
        .bind(filter.subject.clone())
        .bind(page.after.as_deref().and_then(|c| c.parse().ok()).unwrap_or(i64::MAX))
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::audit).collect::<Result<Vec<_>>>()?;
        Ok(cut(items, page.limit, |entry| entry.seq.to_string()))
    }
}

impl SqlStore {
    async fn change_status(
        &self,
        mut tx: Tx,
        id: &KeyId,
        status: Status,
        by: &By,
    ) -> Result<KeyInfo> {
        let mut key = load(&mut tx, id.as_str()).await?;
        let was = key.record.status;
        if was == status {
            return Ok(key);
        }
        if was == Status::Revoked {
            return Err(StoreError::Conflict("a revoked key stays revoked".into()));
        }
        key.record.status = status;
        save(&mut tx, &mut key).await?;
        let action = match status {
            Status::Active => "key.resume",
            Status::Suspended => "key.suspend",
            Status::Revoked => "key.revoke",
        };
        note(
            &mut tx,
            by,
            action,
            id.as_str(),
            Some(key.record.team.as_str()),
            json!({"was": was}),
        )
        .await?;
        self.commit(tx).await?;
        Ok(key)
    }
}

/// A page of at most `limit` out of one item more than that, if there was one.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}

pub(super) async fn load(tx: &mut Tx, id: &str) -> Result<KeyInfo> {
    let row = sqlx::query("SELECT * FROM keys WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(StoreError::NotFound("key"))?;
    rows::key(&row)
}

/// A new key with its audit entry.
async fn create(tx: &mut Tx, new: NewKey, by: &By) -> Result<KeyInfo> {
    let key = insert(tx, new, by).await?;
    let record = &key.record;
    let detail = json!({"name": key.name, "tier": record.tier, "models": record.models,
        "limits": record.limits, "expires_at": record.expires_at, "budgets": key.budgets});
    let (id, team) = (record.id.as_str(), record.team.as_str());
    note(tx, by, "key.create", id, Some(team), detail).await?;
    Ok(key)
}

async fn insert(tx: &mut Tx, new: NewKey, by: &By) -> Result<KeyInfo> {
    let team = sqlx::query("SELECT id FROM teams WHERE id = $1")
        .bind(new.team.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if team.is_none() {
        return Err(StoreError::NotFound("team"));
    }
    let mut key = KeyInfo {
        record: KeyRecord {
            id: new.secret.id,
            team: new.team,
            tier: new.tier,
            status: Status::Active,
            models: new.models,
            limits: new.limits,
            expires_at: new.expires_at,
            lineage: None,
            addresses: None,
            endpoints: None,
            spent_models: None,
        },
        redacted: new.secret.redacted,
        name: new.name,
        budgets: new.budgets,
        over_budget: false,
        created_at: by.now,
        created_by: by.actor.clone(),
        last_used_at: None,
        rotated_to: None,
        version: 0,
    };
    sqlx::query(
        "INSERT INTO keys (id, digest, redacted, name, team_id, tier, status, limits, created_at, created_by, version)
         VALUES ($1, $2, $3, '', $4, '', 'active', '{}', $5, $6, 0)",
    )
    .bind(key.record.id.as_str())
    .bind(new.secret.digest.as_bytes().to_vec())
    .bind(&*key.redacted)
    .bind(key.record.team.as_str())
    .bind(key.created_at.0)
    .bind(&*key.created_by)
    .execute(&mut **tx)
    .await
    .map_err(|error| match is_taken(&error) {
        true => StoreError::Conflict("this key is there already".into()),
        false => error.into(),
    })?;
    save(tx, &mut key).await?;
    Ok(key)
}

/// Writes all of a key that can change, under the next version.
pub(super) async fn save(tx: &mut Tx, key: &mut KeyInfo) -> Result<()> {
    let version = next_version(tx).await?;
    let record = &key.record;
    let text =
        |value: Result<String, serde_json::Error>| value.map_err(|_| StoreError::Corrupt("key"));
    sqlx::query(
        "UPDATE keys SET name = $1, tier = $2, status = $3, models = $4, limits = $5, expires_at = $6, budget_day = $7,
             budget_month = $8, over_budget = $9, rotated_to = $10, version = $11 WHERE id = $12",
    )
    .bind(&*key.name)
    .bind(record.tier.as_str())
    .bind(rows::status_name(record.status))
    .bind(record.models.as_ref().map(serde_json::to_string).map(text).transpose()?)
    .bind(text(serde_json::to_string(&record.limits))?)
    .bind(record.expires_at.map(signed))
    .bind(key.budgets.day_nano_usd)
    .bind(key.budgets.month_nano_usd)
    .bind(i64::from(key.over_budget))
    .bind(key.rotated_to.as_ref().map(|id| id.as_str().to_owned()))
    .bind(version)
    .bind(record.id.as_str())
    .execute(&mut **tx)
    .await?;
    key.version = super::unsigned(version)?;
    Ok(())
}

/// Each field that differs, before and after.
fn changes(was: &KeyInfo, is: &KeyInfo) -> serde_json::Value {
    let view = |key: &KeyInfo| {
        json!({"name": key.name, "tier": key.record.tier, "models": key.record.models,
            "limits": key.record.limits, "expires_at": key.record.expires_at, "budgets": key.budgets})
    };
    let (was, is) = (view(was), view(is));
    let fields = was.as_object().into_iter().flatten();
    fields
        .filter(|(name, before)| is.get(name) != Some(before))
        .map(|(name, before)| (name.clone(), json!({"was": before, "is": is.get(name)})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
