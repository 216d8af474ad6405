//! Keys: made, listed, changed, ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use gmtech_core::ident::KeyId;
use gmtech_core::key::ApiKey;
use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::Status;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::views::{KeyView, LimitsSchema};
use super::{Body, List, PageParams, Path, Query, fields};
use crate::error::{ApiError, ErrorBody};
use crate::secret;
use crate::service::Service;
use crate::store::{Budgets, KeyFilter, KeyPatch, KeySecret, NewKey};
use crate::sync::receipts::{self, Receipt};

/// The longest overlap of a rotation, in seconds: 90 days.
const MAX_OVERLAP: u64 = 90 * 86_400;
const DEFAULT_OVERLAP: u64 = 86_400;

/// A key to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// The team that it is billed with; must exist.
    team: String,
    /// What its owner calls it.
    name: String,
    /// `free` by default.
    #[serde(default)]
    tier: Option<String>,
    /// Patterns such as `gpt-4o*`; by default what the tier allows.
    #[serde(default)]
    models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    limits: LimitOverrides,
    /// RFC 3339; never by default.
    #[serde(default)]
    expires_at: Option<String>,
    /// What it may spend.
    #[serde(default)]
    budgets: Budgets,
}

/// A new key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NewKeyView {
    /// The key: shown now and never again. Null where an earlier call with this Idempotency-Key has shown it.
    key: Option<String>,
    /// Whether an earlier call with this Idempotency-Key made it. If its answer was lost, revoke or rotate it.
    replayed: bool,
    #[serde(flatten)]
    view: KeyView,
}

/// What of a key to change; an absent field keeps what there is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateKey {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    tier: Option<String>,
    /// Null leaves it to the tier.
    #[serde(default, deserialize_with = "fields::present")]
    models: Option<Option<Vec<String>>>,
    /// All limits at once: what is not named is the tier's again.
    #[serde(default)]
    #[schema(value_type = Option<LimitsSchema>)]
    limits: Option<LimitOverrides>,
    /// RFC 3339; null is never.
    #[serde(default, deserialize_with = "fields::present")]
    expires_at: Option<Option<String>>,
    /// Both budgets at once.
    #[serde(default)]
    budgets: Option<Budgets>,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotate {
    /// How long the old key goes on, in seconds: a day by default, 0 to 90 days.
    overlap_seconds: Option<u64>,
}

/// What rotating gave.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RotatedView {
    #[serde(flatten)]
    new: NewKeyView,
    /// The key that ends.
    old: KeyView,
}

/// A changed key, and which proxies have the change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChangedKey {
    #[serde(flatten)]
    view: KeyView,
    /// Present where `wait` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

/// Which keys to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only of this team.
    team: Option<String>,
    /// Only with this status, as it was set; expiry is not looked at.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
}

/// How long to wait for the proxies.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Milliseconds to wait until all live proxies have the change, at most 60000.
    wait: Option<u64>,
}

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
    let team = fields::team("team", &asked.team)?;
    let by = caller.may_change(&team)?;
    let once = fields::once(&headers, &asked)?;
    let (key, secret) = new_secret()?;
    let new = NewKey {
        secret,
        name: fields::name("name", &asked.name)?,
        team,
        tier: fields::tier(&service, asked.tier.as_deref().unwrap_or("free"))?,
        models: asked.models.map(fields::models).transpose()?,
        limits: asked.limits,
        expires_at: asked
            .expires_at
            .as_deref()
            .map(|at| fields::expiry(at, by.now))
            .transpose()?,
        budgets: fields::budgets(asked.budgets)?,
    };
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
        limits: asked.limits,
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

async fn may_change(
    service: &Service,
    caller: &Caller,
    id: &str,
) -> Result<(KeyId, crate::store::By), ApiError> {
    let id = fields::key_id(id)?;
    let key = service.store.key(&id).await?;
    caller.may_see_key(&key)?;
    let by = caller.may_change(&key.record.team)?;
    Ok((id, by))
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
