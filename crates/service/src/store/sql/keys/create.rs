//! New keys, and keys that continue another by rotation.

use gmtech_core::ident::KeyId;
use gmtech_core::record::{KeyRecord, Status};
use serde_json::json;

use super::{budgets, lineage, living, load, save, save_tags};
use crate::store::policy::{self, Refusal};
use crate::store::sql::{Store, Tx, is_taken, members, note, remember, replay, teams, tiers};
use crate::store::{
    Authority, By, Created, CreatedKeys, KeyInfo, KeySecret, NewKey, Once, Result, Rotated,
    Rotation, StoreError, Team,
};

impl Store {
    /// Stores a new key. With an idempotency token that this actor has used for the same request before, gives
    /// what that call made, and `replayed`.
    pub async fn create_key(&self, new: NewKey, once: Option<Once>, by: &By) -> Result<Created> {
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

    /// Stores several new keys, or none of them.
    pub async fn create_keys(
        &self,
        new: Vec<NewKey>,
        once: Option<Once>,
        by: &By,
    ) -> Result<CreatedKeys> {
        let mut tx = self.begin().await?;
        if let Some(ids) = replay(&mut tx, once.as_ref(), by).await? {
            let mut keys = Vec::with_capacity(new.len());
            for id in ids.split_terminator(' ') {
                keys.push(load(&mut tx, id).await?);
            }
            return Ok(CreatedKeys {
                keys,
                replayed: true,
            });
        }
        let (mut keys, mut ids) = (Vec::with_capacity(new.len()), String::new());
        for new in new {
            let key = create(&mut tx, new, by).await?;
            ids.push_str(key.record.id.as_str());
            ids.push(' ');
            keys.push(key);
        }
        remember(&mut tx, once.as_ref(), &ids, by).await?;
        self.commit(tx).await?;
        Ok(CreatedKeys {
            keys,
            replayed: false,
        })
    }

    /// Continues a key with another one of the same account and status; the old one ends after the overlap unless it ends
    /// sooner by itself.
    pub async fn rotate_key(&self, id: &KeyId, how: Rotation, by: &By) -> Result<Rotated> {
        let mut tx = self.begin().await?;
        if let Some(new) = replay(&mut tx, how.once.as_ref(), by).await? {
            return Ok(Rotated {
                old: load(&mut tx, id.as_str()).await?,
                new: load(&mut tx, &new).await?,
                replayed: true,
            });
        }
        let mut old = load(&mut tx, id.as_str()).await?;
        let ended = old.record.status == Status::Revoked || old.has_expired(by.now);
        if ended || old.rotated_to.is_some() {
            return Err(StoreError::Conflict(
                "only a key that has not ended and has no successor can be rotated".into(),
            ));
        }
        let team = teams::open(&mut tx, old.record.team.as_str()).await?;
        let new = succeed(&mut tx, &old, how.secret, &team, by).await?;
        let end = by.now.unix_seconds().saturating_add(how.overlap_seconds);
        old.record.expires_at = Some(old.record.expires_at.map_or(end, |at| at.min(end)));
        old.rotated_to = Some(new.record.id.clone());
        save(&mut tx, &mut old).await?;
        let detail = json!({"to": new.record.id, "old_ends_at": old.record.expires_at});
        let team = Some(old.record.team.as_str());
        note(&mut tx, by, "key.rotate", id.as_str(), team, detail).await?;
        remember(&mut tx, how.once.as_ref(), new.record.id.as_str(), by).await?;
        self.commit(tx).await?;
        Ok(Rotated {
            old,
            new,
            replayed: false,
        })
    }
}

/// A new key with its audit entry.
async fn create(tx: &mut Tx, new: NewKey, by: &By) -> Result<KeyInfo> {
    let team = teams::open(tx, new.team.as_str()).await?;
    tiers::must_not_be_removed(tx, &new.tier).await?;
    let mut key = KeyInfo {
        record: KeyRecord {
            id: new.secret.id.clone(),
            team: new.team,
            tier: new.tier,
            status: Status::Active,
            models: new.models,
            limits: new.limits,
            expires_at: new.expires_at,
            lineage: None,
            addresses: new.addresses,
            endpoints: new.endpoints,
            spent_models: None,
        },
        redacted: new.secret.redacted.clone(),
        name: new.name,
        owner: new.owner,
        metadata: new.metadata,
        tags: new.tags,
        budgets: new.budgets,
        over_budget: false,
        over_soft_budget: false,
        suspended_by: None,
        created_at: by.now,
        created_by: by.actor.clone(),
        last_used_at: None,
        rotated_from: None,
        rotated_to: None,
        version: 0,
    };
    if by.authority == Authority::Team {
        let policy = team.policy.clone().unwrap_or_default();
        if let Some(most) = policy.max_keys
            && living(tx, team.id.as_str(), by).await? >= u64::from(most)
        {
            return Err(Refusal::too_many(most).into());
        }
        policy::hold(&policy, None, &mut key)?;
    }
    insert(tx, &mut key, &new.secret, by).await?;
    Ok(key)
}

/// A key that continues `old`: as it is in all that it may use and spend, and in whether it works.
async fn succeed(
    tx: &mut Tx,
    old: &KeyInfo,
    secret: KeySecret,
    team: &Team,
    by: &By,
) -> Result<KeyInfo> {
    let mut new = KeyInfo {
        record: KeyRecord {
            id: secret.id.clone(),
            lineage: Some(old.record.account().clone()),
            ..old.record.clone()
        },
        redacted: secret.redacted.clone(),
        created_at: by.now,
        created_by: by.actor.clone(),
        last_used_at: None,
        rotated_from: Some(old.record.id.clone()),
        ..old.clone()
    };
    if by.authority == Authority::Team {
        let policy = team.policy.clone().unwrap_or_default();
        if policy.max_key_lifetime_seconds.is_some() {
            // A lifetime that is forced begins anew, for rotation is what it asks for.
            new.record.expires_at = None;
        }
        policy::hold(&policy, Some(old), &mut new)?;
    }
    insert(tx, &mut new, &secret, by).await?;
    Ok(new)
}

async fn insert(tx: &mut Tx, key: &mut KeyInfo, secret: &KeySecret, by: &By) -> Result<()> {
    sqlx::query(
        "INSERT INTO keys (id, digest, redacted, name, team_id, tier, status, limits, created_at, created_by, lineage,
             rotated_from, version) VALUES ($1, $2, $3, '', $4, '', 'active', '{}', $5, $6, $7, $8, 0)",
    )
    .bind(key.record.id.as_str())
    .bind(secret.digest.as_bytes().to_vec())
    .bind(&*key.redacted)
    .bind(key.record.team.as_str())
    .bind(key.created_at.0)
    .bind(&*key.created_by)
    .bind(key.record.account().as_str())
    .bind(key.rotated_from.as_ref().map(|id| id.as_str().to_owned()))
    .execute(&mut **tx)
    .await
    .map_err(|error| match is_taken(&error) {
        true => StoreError::Conflict("this key is there already".into()),
        false => error.into(),
    })?;
    if key.rotated_from.is_none() {
        members::check_owner(tx, key).await?;
    }
    save(tx, key).await?;
    save_tags(tx, key).await?;
    let record = &key.record;
    let mut detail = json!({"name": key.name, "tier": record.tier, "models": record.models, "limits": record.limits,
        "expires_at": record.expires_at, "budgets": key.budgets, "addresses": record.addresses, "endpoints": record.endpoints,
        "owner": key.owner, "metadata": key.metadata, "tags": key.tags});
    if let (Some(from), Some(detail)) = (&key.rotated_from, detail.as_object_mut()) {
        detail.insert("rotated_from".into(), json!(from));
        detail.insert("status".into(), json!(record.status));
    }
    let (id, team) = (record.id.as_str(), record.team.as_str());
    note(tx, by, "key.create", id, Some(team), detail).await?;
    if key.rotated_from.is_none() && !key.budgets.is_empty() {
        // A budget of nothing is spent from the start.
        let mut chain = lineage(tx, key.record.account()).await?;
        budgets::judge(tx, &mut chain, by.now).await?;
        if let Some(judged) = chain.into_iter().next_back() {
            *key = judged;
        }
    }
    Ok(())
}
