//! Teams, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{List, PageParams, created};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, IdempotencyKey, Path, Query};
use crate::ops::teams::{self, CreateTeam};
use crate::service::Service;
use crate::store::{Team, TeamPatch};

#[utoipa::path(post, path = "/admin/v1/teams", tag = "teams", request_body = CreateTeam,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeated call make one team", min_length = 1, max_length = 255)),
    responses((status = 201, body = Team), (status = 200, description = "Made by an earlier call", body = Team),
              (status = "4XX", body = ErrorBody)))]
/// Make a team.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(token): IdempotencyKey,
    Body(asked): Body<CreateTeam>,
) -> Result<(StatusCode, Json<Team>), ApiError> {
    let made = teams::create(&service, &caller, asked, token).await?;
    Ok((created(made.replayed), Json(made.team)))
}

#[utoipa::path(get, path = "/admin/v1/teams", tag = "teams", params(PageParams),
    responses((status = 200, body = List<Team>), (status = "4XX", body = ErrorBody)))]
/// List teams by id.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<List<Team>>, ApiError> {
    let page = page.request()?;
    Ok(Json(teams::list(&service, &caller, &page).await?.into()))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}", tag = "teams", params(("team" = String, Path)),
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Show a team and its balance.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<Team>, ApiError> {
    Ok(Json(teams::show(&service, &caller, &team).await?))
}

#[utoipa::path(patch, path = "/admin/v1/teams/{team}", tag = "teams", params(("team" = String, Path)), request_body = TeamPatch,
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Change a team's name, whether it is prepaid, or what its own administrators may do with keys.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(patch): Body<TeamPatch>,
) -> Result<Json<Team>, ApiError> {
    let team = teams::update(&service, &caller, &team, patch).await?;
    Ok(Json(team))
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/close", tag = "teams", params(("team" = String, Path)),
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Close a team for good: its keys are revoked, and its ledger and usage stay. A closed team has no new keys and no
/// top-ups; what is left on it can be paid back, as a correction.
pub(super) async fn close(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<Team>, ApiError> {
    Ok(Json(teams::close(&service, &caller, &team).await?))
}
