//! Changes of keys.

use gmtech_core::ident::KeyId;
use gmtech_core::record::Status;
use serde_json::{Value, json};

use super::{budgets, lineage, living, load, save, save_tags};
use crate::store::policy::{self, Refusal};
use crate::store::sql::{Store, Tx, members, note, teams, tiers};
use crate::store::{Authority, By, KeyInfo, KeyPatch, Policy, Result, Role, StoreError};

impl Store {
    /// Changes what the patch names. What a key may use and spend changes for its whole chain of rotations.
    pub async fn update_key(&self, id: &KeyId, patch: KeyPatch, by: &By) -> Result<KeyInfo> {
        let mut tx = self.begin().await?;
        let was = load(&mut tx, id.as_str()).await?;
        if was.record.status == Status::Revoked {
            return Err(StoreError::Conflict(
                "a revoked key cannot be changed".into(),
            ));
        }
        let mut key = was.clone();
        apply(&mut key, patch);
        if by.authority == Authority::Team {
            let team = teams::load(&mut tx, was.record.team.as_str()).await?;
            let policy = team.policy.unwrap_or_default();
            policy::hold(&policy, Some(&was), &mut key)?;
            revives_within(&mut tx, &policy, &was, &key, by).await?;
        }
        if key == was {
            return Ok(key);
        }
        if key.record.tier != was.record.tier {
            tiers::must_not_be_removed(&mut tx, &key.record.tier).await?;
        }
        if key.owner != was.owner {
            members::check_owner(&mut tx, &key).await?;
        }
        write(&mut tx, &was, &mut key, None, by).await?;
        let mut chain = lineage(&mut tx, key.record.account()).await?;
        for other in chain.iter_mut().filter(|k| k.record.id != *id) {
            let was = other.clone();
            share(&key, other);
            write(&mut tx, &was, other, Some(id), by).await?;
        }
        budgets::judge(&mut tx, &mut chain, by.now).await?;
        let key = load(&mut tx, id.as_str()).await?;
        self.commit(tx).await?;
        Ok(key)
    }

    pub(super) async fn change_status(
        &self,
        mut tx: Tx,
        id: &KeyId,
        status: Status,
        by: &By,
    ) -> Result<KeyInfo> {
        let mut key = load(&mut tx, id.as_str()).await?;
        let was = key.record.status;
        let role = by.authority.role();
        // An administrator's suspension takes the place of a team's.
        let holds = status == Status::Suspended
            && role == Role::Admin
            && key.suspended_by == Some(Role::TeamAdmin);
        if was == status && !holds {
            return Ok(key);
        }
        if was == Status::Revoked {
            return Err(StoreError::Conflict("a revoked key stays revoked".into()));
        }
        if status == Status::Active
            && by.authority == Authority::Team
            && key.suspended_by != Some(Role::TeamAdmin)
        {
            return Err(Refusal::held().into());
        }
        key.record.status = status;
        key.suspended_by = (status == Status::Suspended).then_some(role);
        save(&mut tx, &mut key).await?;
        let action = match status {
            Status::Active => "key.resume",
            Status::Suspended => "key.suspend",
            Status::Revoked => "key.revoke",
        };
        let team = Some(key.record.team.as_str());
        let detail = json!({"was": was, "as": role});
        note(&mut tx, by, action, id.as_str(), team, detail).await?;
        self.commit(tx).await?;
        Ok(key)
    }
}

fn apply(key: &mut KeyInfo, patch: KeyPatch) {
    let record = &mut key.record;
    put(&mut key.name, patch.name);
    put(&mut record.tier, patch.tier);
    put(&mut record.models, patch.models);
    put(&mut record.limits, patch.limits);
    put(&mut record.expires_at, patch.expires_at);
    put(&mut record.addresses, patch.addresses);
    put(&mut record.endpoints, patch.endpoints);
    put(&mut key.budgets, patch.budgets);
    put(&mut key.owner, patch.owner);
    put(&mut key.metadata, patch.metadata);
    put(&mut key.tags, patch.tags);
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What a key may use and spend, which its whole lineage shares.
fn share(from: &KeyInfo, to: &mut KeyInfo) {
    let (record, from_record) = (&mut to.record, &from.record);
    record.tier = from_record.tier.clone();
    record.models = from_record.models.clone();
    record.limits = from_record.limits.clone();
    record.addresses = from_record.addresses.clone();
    record.endpoints = from_record.endpoints;
    to.budgets = from.budgets.clone();
}

/// Refuses to revive an ended key if the team has as many keys as it may.
async fn revives_within(
    tx: &mut Tx,
    policy: &Policy,
    was: &KeyInfo,
    is: &KeyInfo,
    by: &By,
) -> Result<()> {
    let Some(most) = policy.max_keys else {
        return Ok(());
    };
    if !was.has_expired(by.now) || is.has_expired(by.now) {
        return Ok(());
    }
    let others = lineage(tx, was.record.account()).await?;
    let counted = others.iter().any(|k| !k.has_expired(by.now));
    if !counted && living(tx, was.record.team.as_str(), by).await? >= u64::from(most) {
        return Err(Refusal::too_many(most).into());
    }
    Ok(())
}

/// Writes a key that differs, with its audit entry; `with` is the key whose change it follows.
async fn write(
    tx: &mut Tx,
    was: &KeyInfo,
    is: &mut KeyInfo,
    with: Option<&KeyId>,
    by: &By,
) -> Result<()> {
    let Value::Object(mut changes) = changes(was, is) else {
        return Ok(());
    };
    if changes.is_empty() {
        return Ok(());
    }
    save(tx, is).await?;
    if was.tags != is.tags {
        save_tags(tx, is).await?;
    }
    if let Some(with) = with {
        changes.insert("with".into(), json!(with));
    }
    let (id, team) = (is.record.id.as_str(), is.record.team.as_str());
    note(tx, by, "key.update", id, Some(team), changes.into()).await
}

/// Each field that differs, before and after.
fn changes(was: &KeyInfo, is: &KeyInfo) -> Value {
    let view = |key: &KeyInfo| {
        let record = &key.record;
        json!({"name": key.name, "tier": record.tier, "models": record.models, "limits": record.limits,
            "expires_at": record.expires_at, "budgets": key.budgets, "addresses": record.addresses,
            "endpoints": record.endpoints, "owner": key.owner, "metadata": key.metadata, "tags": key.tags})
    };
    let (was, is) = (view(was), view(is));
    let fields = was.as_object().into_iter().flatten();
    fields
        .filter(|(name, before)| is.get(name) != Some(before))
        .map(|(name, before)| (name.clone(), json!({"was": before, "is": is.get(name)})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
