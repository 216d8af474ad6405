//! Tokens, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::{List, created};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, IdempotencyKey, Path};
use crate::ops::tokens::{self, CreateToken, Made};
use crate::service::Service;
use crate::store::ServiceToken;

/// A new token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NewTokenView {
    /// The token: shown now and never again. Null where an earlier call with this Idempotency-Key has shown it.
    token: Option<String>,
    /// Whether an earlier call with this Idempotency-Key made it. If its answer was lost, revoke it and make another.
    replayed: bool,
    #[serde(flatten)]
    view: ServiceToken,
}

#[utoipa::path(post, path = "/admin/v1/tokens", tag = "tokens", request_body = CreateToken,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call make one token", min_length = 1, max_length = 255)),
    responses((status = 201, body = NewTokenView), (status = 200, description = "Made by an earlier call", body = NewTokenView), (status = "4XX", body = ErrorBody)))]
/// Make a token for another administrator, a reader or the proxies. At most two of proxies are valid at a time.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(once): IdempotencyKey,
    Body(asked): Body<CreateToken>,
) -> Result<(StatusCode, Json<NewTokenView>), ApiError> {
    let Made { token, view } = tokens::create(&service, &caller, asked, once).await?;
    let replayed = token.is_none();
    Ok((
        created(replayed),
        Json(NewTokenView {
            token: token.map(|token| token.reveal().to_owned()),
            replayed,
            view,
        }),
    ))
}

#[utoipa::path(get, path = "/admin/v1/tokens", tag = "tokens",
    responses((status = 200, body = List<ServiceToken>), (status = "4XX", body = ErrorBody)))]
/// List tokens, without their text.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<ServiceToken>>, ApiError> {
    Ok(Json(List::all(tokens::list(&service, &caller).await?)))
}

#[utoipa::path(delete, path = "/admin/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// End a token. The last administrator's is kept (409): make another one first.
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    tokens::revoke(&service, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(get, path = "/admin/v1/me", tag = "tokens",
    responses((status = 200, body = ServiceToken), (status = "4XX", body = ErrorBody)))]
/// Who this token is and what it allows.
pub(super) async fn me(caller: Caller) -> Result<Json<ServiceToken>, ApiError> {
    let token = caller.token().cloned();
    token.map(Json).ok_or_else(|| ApiError::not_found("token"))
}
