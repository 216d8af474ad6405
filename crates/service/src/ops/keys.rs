//! Keys: made, listed, changed, ended.

mod asked;
pub mod attention;
mod list;

use gmtech_core::ident::{KeyId, TierName};
use gmtech_core::key::ApiKey;
use gmtech_core::record::Status;

pub use asked::{CreateKey, CreateKeys, ListKeys, Rotate, UpdateKey};
pub(crate) use list::beginning;
pub use list::list;

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::{fields, marks};
use crate::secret;
use crate::service::Service;
use crate::store::policy::DEFAULT_TIER;
use crate::store::{Amounts, By, KeyInfo, KeyPatch, KeySecret, NewKey, Rotation};

/// The most keys that are made at once.
pub const MAX_BATCH: usize = 1_000;

/// The longest overlap of a rotation, in seconds: 90 days.
pub const MAX_OVERLAP: u64 = 90 * 86_400;
const DEFAULT_OVERLAP: u64 = 86_400;

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// Its text, to be shown once; `None` where an earlier call with the same idempotency token made it.
    pub text: Option<ApiKey>,
    /// What is known of it.
    pub key: KeyInfo,
}

impl Made {
    /// Whether an earlier call with the same idempotency token made it.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.text.is_none()
    }
}

/// Makes a key.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn create(
    service: &Service,
    caller: &Caller,
    mut asked: CreateKey,
    token: Option<String>,
) -> Result<Made, ApiError> {
    let by = may_make(caller, &mut asked)?;
    let once = fields::once(token, &("key.create", &asked))?;
    let (text, new) = new_key(&fields::tiers(service).await?, asked, &by)?;
    let made = service.store.create_key(new, once, &by).await?;
    let (record, replayed) = (&made.key.record, made.replayed);
    tracing::info!(key = %record.id, team = %record.team, by = by.actor, replayed, "key created");
    Ok(Made {
        text: (!replayed).then_some(text),
        key: made.key,
    })
}

/// Makes several keys in the order asked for, or none of them.
///
/// # Errors
/// As [`create`], for each of them.
pub async fn create_batch(
    service: &Service,
    caller: &Caller,
    asked: CreateKeys,
    token: Option<String>,
) -> Result<Vec<Made>, ApiError> {
    let once = fields::once(token, &("key.create_batch", &asked))?;
    let count = asked.keys.len();
    let refused = || ApiError::invalid("keys", format!("keys must be 1 to {MAX_BATCH}."));
    if count > MAX_BATCH {
        return Err(refused());
    }
    let tiers = fields::tiers(service).await?;
    let mut by = None;
    let (mut texts, mut new) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for mut asked in asked.keys {
        let caller = may_make(caller, &mut asked)?;
        let (text, record) = new_key(&tiers, asked, &caller)?;
        texts.push(text);
        new.push(record);
        by = Some(caller);
    }
    let by = by.ok_or_else(refused)?;
    let made = service.store.create_keys(new, once, &by).await?;
    let replayed = made.replayed;
    tracing::info!(count, by = by.actor, replayed, "keys created");
    let made = texts.into_iter().zip(made.keys).map(|(text, key)| Made {
        text: (!replayed).then_some(text),
        key,
    });
    Ok(made.collect())
}

/// One key.
///
/// # Errors
/// Where this caller may see no such key, or the store does not answer.
pub async fn show(service: &Service, caller: &Caller, id: &str) -> Result<KeyInfo, ApiError> {
    let key = service.store.key(&fields::key_id(id)?).await?;
    caller.may_see_key(&key)?;
    Ok(key)
}

/// What a key and all that rotation continues have spent in the present day, week and month, and in all.
///
/// # Errors
/// As [`show`].
pub async fn spent(
    service: &Service,
    caller: &Caller,
    key: &KeyInfo,
    now: Millis,
) -> Result<Amounts, ApiError> {
    caller.may_see_key(key)?;
    Ok(service.store.spent(key.record.account(), now).await?)
}

/// Changes what a key is called, may use and may spend.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn update(
    service: &Service,
    caller: &Caller,
    id: &str,
    asked: UpdateKey,
) -> Result<KeyInfo, ApiError> {
    let (key, by) = may_change(service, caller, id).await?;
    if let Some(owner) = &asked.owner {
        caller.may_make_key(&key.record.team, owner.as_deref())?;
    }
    let tiers = fields::tiers(service).await?;
    let patch = KeyPatch {
        name: asked.name.map(|n| fields::name("name", &n)).transpose()?,
        tier: asked.tier.map(|t| fields::tier(&tiers, &t)).transpose()?,
        models: asked
            .models
            .map(|m| m.map(fields::models).transpose())
            .transpose()?,
        limits: asked.limits.map(fields::limits).transpose()?,
        expires_at: asked
            .expires_at
            .map(|at| at.map(|at| fields::expiry(&at, by.now)).transpose())
            .transpose()?,
        budgets: asked.budgets.map(fields::budgets).transpose()?,
        addresses: asked
            .allowed_ips
            .map(|a| a.map(|a| fields::addresses(&a)).transpose())
            .transpose()?,
        endpoints: asked
            .endpoints
            .map(|e| e.map(|e| fields::endpoints(&e)).transpose())
            .transpose()?,
        owner: asked
            .owner
            .map(|o| o.map(|o| fields::email("owner", &o)).transpose())
            .transpose()?,
        metadata: asked.metadata.map(marks::metadata).transpose()?,
        tags: asked.tags.map(marks::tags).transpose()?,
    };
    let key = service.store.update_key(&key.record.id, patch, &by).await?;
    tracing::info!(key = %key.record.id, by = by.actor, "key updated");
    Ok(key)
}

/// Suspends, resumes or revokes a key.
///
/// # Errors
/// Where the caller may not, the key is revoked, or the store does not answer.
pub async fn set_status(
    service: &Service,
    caller: &Caller,
    id: &str,
    status: Status,
) -> Result<KeyInfo, ApiError> {
    let (key, by) = may_change(service, caller, id).await?;
    let key = service
        .store
        .set_status(&key.record.id, status, &by)
        .await?;
    tracing::info!(key = %key.record.id, by = by.actor, ?status, "key status set");
    Ok(key)
}

/// Continues a key with a new one; the old one ends by itself after the overlap. Gives the new one and the old one.
///
/// # Errors
/// Where the caller may not, the key has ended or has a successor, or the store does not answer.
pub async fn rotate(
    service: &Service,
    caller: &Caller,
    id: &str,
    asked: Rotate,
    token: Option<String>,
) -> Result<(Made, KeyInfo), ApiError> {
    let (key, by) = may_change(service, caller, id).await?;
    let once = fields::once(token, &("key.rotate", &key.record.id, &asked))?;
    let overlap = asked.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ApiError::invalid(
            "overlap_seconds",
            format!("overlap_seconds must be 0 to {MAX_OVERLAP}."),
        ));
    }
    let id = key.record.id;
    let (text, secret) = new_secret()?;
    let how = Rotation {
        secret,
        overlap_seconds: overlap,
        once,
    };
    let rotated = service.store.rotate_key(&id, how, &by).await?;
    let replayed = rotated.replayed;
    tracing::info!(key = %id, to = %rotated.new.record.id, by = by.actor, replayed, "key rotated");
    let made = Made {
        text: (!replayed).then_some(text),
        key: rotated.new,
    };
    Ok((made, rotated.old))
}

/// The key, and who acts, if this caller may change it.
async fn may_change(
    service: &Service,
    caller: &Caller,
    id: &str,
) -> Result<(KeyInfo, By), ApiError> {
    let key = show(service, caller, id).await?;
    let by = caller.may_manage_key(&key)?;
    Ok((key, by))
}

/// Who acts, if this caller may make this key. A developer's is his own where it does not say whose it is.
fn may_make(caller: &Caller, asked: &mut CreateKey) -> Result<By, ApiError> {
    let team = fields::team("team", &asked.team)?;
    if asked.owner.is_none() {
        asked.owner = caller.usual_owner(&team).map(str::to_owned);
    }
    caller.may_make_key(&team, asked.owner.as_deref())
}

/// The requested key, checked, with a new secret.
fn new_key(tiers: &[TierName], asked: CreateKey, by: &By) -> Result<(ApiKey, NewKey), ApiError> {
    let (text, secret) = new_secret()?;
    let expires_at = asked.expires_at.as_deref();
    let new = NewKey {
        secret,
        name: fields::name("name", &asked.name)?,
        team: fields::team("team", &asked.team)?,
        tier: fields::tier(tiers, asked.tier.as_deref().unwrap_or(DEFAULT_TIER))?,
        models: asked.models.map(fields::models).transpose()?,
        limits: fields::limits(asked.limits)?,
        expires_at: expires_at
            .map(|at| fields::expiry(at, by.now))
            .transpose()?,
        budgets: fields::budgets(asked.budgets)?,
        addresses: asked
            .allowed_ips
            .map(|a| fields::addresses(&a))
            .transpose()?,
        endpoints: asked.endpoints.map(|e| fields::endpoints(&e)).transpose()?,
        owner: asked
            .owner
            .map(|o| fields::email("owner", &o))
            .transpose()?,
        metadata: marks::metadata(asked.metadata)?,
        tags: marks::tags(asked.tags)?,
    };
    Ok((text, new))
}

fn new_secret() -> Result<(ApiKey, KeySecret), ApiError> {
    let random = || -> std::io::Result<_> { Ok((secret::new_key()?, secret::random()?)) };
    let (key, id) = random().map_err(|error| ApiError::internal(&error))?;
    let id = KeyId::generate(&id).ok_or_else(|| ApiError::internal(&std::fmt::Error))?;
    let secret = KeySecret {
        id,
        digest: key.digest(),
        redacted: key.redacted(),
    };
    Ok((key, secret))
}
