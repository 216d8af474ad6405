//! Keys: made, listed, changed, ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use gmtech_core::ident::KeyId;
use gmtech_core::key::ApiKey;
use gmtech_core::record::Status;

use super::bodies::{
    ChangedKey, CreateKey, CreateKeys, ListParams, NewKeyView, Rotate, RotatedView, UpdateKey,
    WaitParams,
};
use super::caller::Caller;
use super::views::KeyView;
use super::{Body, List, PageParams, Path, Query, fields};
use crate::error::{ApiError, ErrorBody};
use crate::secret;
use crate::service::Service;
use crate::store::{By, KeyFilter, KeyPatch, KeySecret, NewKey};
use crate::sync::receipts;

/// The most keys that are made at once.
const MAX_BATCH: usize = 1_000;

/// The longest overlap of a rotation, in seconds: 90 days.
const MAX_OVERLAP: u64 = 90 * 86_400;
const DEFAULT_OVERLAP: u64 = 86_400;

#[utoipa::path(post, path = "/admin/v1/keys", tag = "keys", request_body = CreateKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call make one key")),
    responses((status = 201, body = NewKeyView), (status = 200, description = "Made by an earlier call", body = NewKeyView),
              (status = "4XX", body = ErrorBody)))]
/// Make a key. It is shown in this answer only.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Body(asked): Body<CreateKey>,
) -> Result<(StatusCode, Json<NewKeyView>), ApiError> {
    let by = caller.may_change(&fields::team("team", &asked.team)?)?;
    let once = fields::once(&headers, &asked)?;
    let (key, new) = new_key(&service, asked, &by)?;
    let made = service.store.create_key(new, once, &by).await?;
    let status = if made.replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    tracing::info!(key = %made.key.record.id, team = %made.key.record.team, by = by.actor, replayed = made.replayed, "key created");
    let view = NewKeyView {
        key: (!made.replayed).then(|| key.reveal().to_owned()),
        replayed: made.replayed,
        view: made.key.into(),
    };
    Ok((status, Json(view)))
}

#[utoipa::path(post, path = "/admin/v1/keys/batch", tag = "keys", request_body = CreateKeys,
    responses((status = 201, body = List<NewKeyView>), (status = "4XX", body = ErrorBody)))]
/// Make several keys, all or none. They are shown in this answer only, in the order asked for.
pub(super) async fn create_batch(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(asked): Body<CreateKeys>,
) -> Result<(StatusCode, Json<List<NewKeyView>>), ApiError> {
    if !(1..=MAX_BATCH).contains(&asked.keys.len()) {
        return Err(ApiError::invalid(
            "keys",
            format!("keys must be 1 to {MAX_BATCH}."),
        ));
    }
    let mut by = None;
    let (mut keys, mut new) = (Vec::new(), Vec::new());
    for asked in asked.keys {
        let caller = caller.may_change(&fields::team("team", &asked.team)?)?;
        let (key, record) = new_key(&service, asked, &caller)?;
        keys.push(key);
        new.push(record);
        by = Some(caller);
    }
    let Some(by) = by else {
        return Err(ApiError::invalid("keys", "keys must not be empty."));
    };
    let made = service.store.create_keys(new, &by).await?;
    tracing::info!(count = made.len(), by = by.actor, "keys created");
    let views = keys.iter().zip(made).map(|(key, made)| NewKeyView {
        key: Some(key.reveal().to_owned()),
        replayed: false,
        view: made.into(),
    });
    Ok((StatusCode::CREATED, Json(List::all(views.collect()))))
}

#[utoipa::path(get, path = "/admin/v1/keys", tag = "keys", params(ListParams, PageParams),
    responses((status = 200, body = List<KeyView>), (status = "4XX", body = ErrorBody)))]
/// List keys, the newest first.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(params): Query<ListParams>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<KeyView>>, ApiError> {
    let team = params
        .team
        .as_deref()
        .map(|t| fields::team("team", t))
        .transpose()?;
    let filter = KeyFilter {
        team: caller.narrow(team)?,
        status: params.status,
    };
    Ok(Json(
        service.store.keys(&filter, &page.request()?).await?.into(),
    ))
}

#[utoipa::path(get, path = "/admin/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 200, body = KeyView), (status = "4XX", body = ErrorBody)))]
/// Show one key.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, ApiError> {
    let key = service.store.key(&fields::key_id(&id)?).await?;
    caller.may_see_key(&key)?;
    Ok(Json(key.into()))
}

#[utoipa::path(patch, path = "/admin/v1/keys/{id}", tag = "keys", params(("id" = String, Path)), request_body = UpdateKey,
    responses((status = 200, body = KeyView), (status = "4XX", body = ErrorBody)))]
/// Change what a key is called, may use and may spend.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<UpdateKey>,
) -> Result<Json<KeyView>, ApiError> {
    let (id, by) = may_change(&service, &caller, &id).await?;
    let patch = KeyPatch {
        name: asked.name.map(|n| fields::name("name", &n)).transpose()?,
        tier: asked.tier.map(|t| fields::tier(&service, &t)).transpose()?,
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
    };
    let key = service.store.update_key(&id, patch, &by).await?;
    tracing::info!(key = %id, by = by.actor, "key updated");
    Ok(Json(key.into()))
}

macro_rules! status_route {
    ($name:ident, $path:literal, $status:expr, $doc:literal) => {
        #[utoipa::path(post, path = $path, tag = "keys", params(("id" = String, Path), WaitParams),
                    responses((status = 200, body = ChangedKey), (status = "4XX", body = ErrorBody)))]
        #[doc = $doc]
        pub(super) async fn $name(
            State(service): State<Arc<Service>>,
            caller: Caller,
            Path(id): Path<String>,
            Query(params): Query<WaitParams>,
        ) -> Result<Json<ChangedKey>, ApiError> {
            set_status(&service, &caller, &id, $status, params.wait).await
        }
    };
}
status_route!(
    suspend,
    "/admin/v1/keys/{id}/suspend",
    Status::Suspended,
    "Pause a key: it is answered 401."
);
status_route!(
    resume,
    "/admin/v1/keys/{id}/resume",
    Status::Active,
    "Let a suspended key work again."
);
status_route!(
    revoke,
    "/admin/v1/keys/{id}/revoke",
    Status::Revoked,
    "End a key for good: it is answered 403."
);

async fn set_status(
    service: &Service,
    caller: &Caller,
    id: &str,
    status: Status,
    wait: Option<u64>,
) -> Result<Json<ChangedKey>, ApiError> {
    let (id, by) = may_change(service, caller, id).await?;
    let key = service.store.set_status(&id, status, &by).await?;
    tracing::info!(key = %id, by = by.actor, ?status, "key status set");
    let receipt = match wait {
        Some(wait) => Some(
            receipts::wait(
                service,
                key.version,
                Duration::from_millis(wait.min(60_000)),
            )
            .await?,
        ),
        None => None,
    };
    Ok(Json(ChangedKey {
        view: key.into(),
        receipt,
    }))
}

#[utoipa::path(post, path = "/admin/v1/keys/{id}/rotate", tag = "keys", params(("id" = String, Path)), request_body = Rotate,
    responses((status = 201, body = RotatedView), (status = "4XX", body = ErrorBody)))]
/// Make a key like this one, which ends by itself after the overlap.
pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    Body(asked): Body<Rotate>,
) -> Result<(StatusCode, Json<RotatedView>), ApiError> {
    let (id, by) = may_change(&service, &caller, &id).await?;
    let overlap = asked.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ApiError::invalid(
            "overlap_seconds",
            format!("overlap_seconds must be 0 to {MAX_OVERLAP}."),
        ));
    }
    let (key, secret) = new_secret()?;
    let rotated = service.store.rotate_key(&id, secret, overlap, &by).await?;
    tracing::info!(key = %id, to = %rotated.new.record.id, by = by.actor, "key rotated");
    let new = NewKeyView {
        key: Some(key.reveal().to_owned()),
        replayed: false,
        view: rotated.new.into(),
    };
    Ok((
        StatusCode::CREATED,
        Json(RotatedView {
            new,
            old: rotated.old.into(),
        }),
    ))
}

async fn may_change(service: &Service, caller: &Caller, id: &str) -> Result<(KeyId, By), ApiError> {
    let id = fields::key_id(id)?;
    let key = service.store.key(&id).await?;
    caller.may_see_key(&key)?;
    let by = caller.may_change(&key.record.team)?;
    Ok((id, by))
}

/// What was asked for, checked, with a new key.
fn new_key(service: &Service, asked: CreateKey, by: &By) -> Result<(ApiKey, NewKey), ApiError> {
    let (key, secret) = new_secret()?;
    let expires_at = asked.expires_at.as_deref();
    let new = NewKey {
        secret,
        name: fields::name("name", &asked.name)?,
        team: fields::team("team", &asked.team)?,
        tier: fields::tier(service, asked.tier.as_deref().unwrap_or("free"))?,
        models: asked.models.map(fields::models).transpose()?,
        limits: fields::limits(asked.limits)?,
        expires_at: expires_at
            .map(|at| fields::expiry(at, by.now))
            .transpose()?,
        budgets: fields::budgets(asked.budgets)?,
    };
    Ok((key, new))
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
