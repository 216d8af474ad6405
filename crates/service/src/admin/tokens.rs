//! Administrators' tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::{Body, List, Path, fields};
use crate::error::{ApiError, ErrorBody};
use crate::secret::{self, Token};
use crate::service::Service;
use crate::store::{AdminToken, NewAdminToken, Role};

/// A token to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateToken {
    /// What it is for.
    name: String,
    /// What it allows.
    role: Role,
    /// Of which team: needed for `team_admin`, possible for `reader`.
    #[serde(default)]
    team: Option<String>,
}

/// A new token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NewTokenView {
    /// The token: shown now and never again.
    token: String,
    #[serde(flatten)]
    view: AdminToken,
}

#[utoipa::path(post, path = "/admin/v1/tokens", tag = "tokens", request_body = CreateToken,
    responses((status = 201, body = NewTokenView), (status = "4XX", body = ErrorBody)))]
/// Make a token for another administrator or reader.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(asked): Body<CreateToken>,
) -> Result<(StatusCode, Json<NewTokenView>), ApiError> {
    let by = caller.must_be_admin()?;
    let team = asked
        .team
        .as_deref()
        .map(|t| fields::team("team", t))
        .transpose()?;
    let fits = match asked.role {
        Role::Admin => team.is_none(),
        Role::TeamAdmin => team.is_some(),
        Role::Reader => true,
    };
    if !fits {
        return Err(ApiError::invalid(
            "team",
            "team_admin needs a team, admin has none.",
        ));
    }
    let random = || -> std::io::Result<_> { Ok((Token::generate()?, secret::random::<8>()?)) };
    let (token, id) = random().map_err(|error| ApiError::internal(&error))?;
    let new = NewAdminToken {
        id: format!("tok_{}", hex::encode(id)),
        name: fields::name("name", &asked.name)?,
        digest: token.digest(),
        role: asked.role,
        team,
    };
    let view = service.store.create_token(new, &by).await?;
    tracing::info!(token = view.id, by = by.actor, "token created");
    Ok((
        StatusCode::CREATED,
        Json(NewTokenView {
            token: token.reveal().to_owned(),
            view,
        }),
    ))
}

#[utoipa::path(get, path = "/admin/v1/tokens", tag = "tokens",
    responses((status = 200, body = List<AdminToken>), (status = "4XX", body = ErrorBody)))]
/// List tokens, without their text.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<AdminToken>>, ApiError> {
    caller.must_be_admin()?;
    Ok(Json(List::all(service.store.tokens().await?)))
}

#[utoipa::path(delete, path = "/admin/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// End a token.
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let by = caller.must_be_admin()?;
    service.store.revoke_token(&id, &by).await?;
    tracing::info!(token = id, by = by.actor, "token revoked");
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(get, path = "/admin/v1/me", tag = "tokens",
    responses((status = 200, body = AdminToken), (status = "4XX", body = ErrorBody)))]
/// Who this token is and what it allows.
pub(super) async fn me(caller: Caller) -> Json<AdminToken> {
    Json(caller.token().clone())
}
