//! Keys, over HTTP.

mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gmtech_core::record::Status;
use serde::Deserialize;

use self::views::{ChangedKey, KeyView, NewKeyView, RotatedView};
use super::{List, PageParams, created};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, IdempotencyKey, Path, Query};
use crate::ops::keys::{self, CreateKey, CreateKeys, ListKeys, Made, Rotate, UpdateKey};
use crate::ops::proxies;
use crate::service::Service;

/// The longest that a call waits for the proxies, in milliseconds.
const MAX_WAIT: u64 = 60_000;

/// How long to wait for the proxies.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Milliseconds to wait until all live proxies have the change, at most 60000.
    #[param(minimum = 0, maximum = 60_000)]
    wait: Option<u64>,
}

#[utoipa::path(post, path = "/admin/v1/keys", tag = "keys", request_body = CreateKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call make one key", min_length = 1, max_length = 255)),
    responses((status = 201, body = NewKeyView), (status = 200, description = "Made by an earlier call", body = NewKeyView),
              (status = "4XX", body = ErrorBody)))]
/// Make a key. It is shown in this answer only.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(token): IdempotencyKey,
    Body(asked): Body<CreateKey>,
) -> Result<(StatusCode, Json<NewKeyView>), ApiError> {
    let made = keys::create(&service, &caller, asked, token).await?;
    Ok((created(made.replayed()), Json(made.into())))
}

#[utoipa::path(post, path = "/admin/v1/keys/batch", tag = "keys", request_body = CreateKeys,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call make the keys once", min_length = 1, max_length = 255)),
    responses((status = 201, body = List<NewKeyView>), (status = 200, description = "Made by an earlier call", body = List<NewKeyView>),
              (status = "4XX", body = ErrorBody)))]
/// Make several keys, all or none. They are shown in this answer only, in the order asked for.
pub(super) async fn create_batch(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(token): IdempotencyKey,
    Body(asked): Body<CreateKeys>,
) -> Result<(StatusCode, Json<List<NewKeyView>>), ApiError> {
    let made = keys::create_batch(&service, &caller, asked, token).await?;
    let status = created(made.iter().any(Made::replayed));
    let views = made.into_iter().map(NewKeyView::from).collect();
    Ok((status, Json(List::all(views))))
}

#[utoipa::path(get, path = "/admin/v1/keys", tag = "keys", params(ListKeys, PageParams),
    responses((status = 200, body = List<KeyView>), (status = "4XX", body = ErrorBody)))]
/// List keys. A page may have fewer than `limit` before the last one, where a filter passes few: the list ends where `next`
/// is null.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(asked): Query<ListKeys>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<KeyView>>, ApiError> {
    let page = page.request()?;
    Ok(Json(
        keys::list(&service, &caller, asked, &page).await?.into(),
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
    Ok(Json(keys::show(&service, &caller, &id).await?.into()))
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
    let key = keys::update(&service, &caller, &id, asked).await?;
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
    if wait.is_some_and(|wait| wait > MAX_WAIT) {
        let message = format!("wait must be 0 to {MAX_WAIT} milliseconds.");
        return Err(ApiError::invalid("wait", message));
    }
    let key = keys::set_status(service, caller, id, status).await?;
    let receipt = match wait {
        Some(wait) => {
            let wait = Duration::from_millis(wait);
            Some(proxies::wait(service, key.version, wait).await?)
        }
        None => None,
    };
    Ok(Json(ChangedKey {
        view: key.into(),
        receipt,
    }))
}

#[utoipa::path(post, path = "/admin/v1/keys/{id}/rotate", tag = "keys", request_body = Rotate,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header,
            description = "Makes a repeated call make one key", min_length = 1, max_length = 255)),
    responses((status = 201, body = RotatedView), (status = 200, description = "Made by an earlier call", body = RotatedView), (status = "4XX", body = ErrorBody)))]
/// Continue a key with a new one: of the same status, limits, budgets and spend. The old one ends by itself after the overlap.
pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(token): IdempotencyKey,
    Body(asked): Body<Rotate>,
) -> Result<(StatusCode, Json<RotatedView>), ApiError> {
    let rotated = keys::rotate(&service, &caller, &id, asked, token).await?;
    Ok((created(rotated.0.replayed()), Json(rotated.into())))
}
