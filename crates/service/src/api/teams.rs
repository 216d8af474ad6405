//! Teams, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{Body, IdempotencyKey, List, PageParams, Path, Query, created};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::ops::teams::{self, CreateTeam, Credit};
use crate::service::Service;
use crate::store::{LedgerRow, Member, NewMember, Team, TeamPatch};

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

#[utoipa::path(get, path = "/admin/v1/teams/{team}/members", tag = "teams", params(("team" = String, Path)),
    responses((status = 200, body = List<Member>), (status = "4XX", body = ErrorBody)))]
/// List a team's members.
pub(super) async fn members(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<List<Member>>, ApiError> {
    let members = teams::members(&service, &caller, &team).await?;
    Ok(Json(List::all(members)))
}

#[utoipa::path(put, path = "/admin/v1/teams/{team}/members", tag = "teams", params(("team" = String, Path)), request_body = NewMember,
    responses((status = 200, body = Member), (status = "4XX", body = ErrorBody)))]
/// Add a member, or change what the person is to the team.
pub(super) async fn put_member(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(member): Body<NewMember>,
) -> Result<Json<Member>, ApiError> {
    let member = teams::put_member(&service, &caller, &team, member).await?;
    Ok(Json(member))
}

#[utoipa::path(delete, path = "/admin/v1/teams/{team}/members/{email}", tag = "teams",
    params(("team" = String, Path), ("email" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Remove a member.
pub(super) async fn remove_member(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, email)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    teams::remove_member(&service, &caller, &team, &email).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/credit", tag = "teams", request_body = Credit,
    params(("team" = String, Path), ("Idempotency-Key" = Option<String>, Header,
            description = "Makes a repeated call count once", min_length = 1, max_length = 255)),
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Top up a team's credit pool, or correct it. An `Idempotency-Key` makes a repeated call count once.
pub(super) async fn credit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(token): IdempotencyKey,
    Path(team): Path<String>,
    Body(asked): Body<Credit>,
) -> Result<Json<Team>, ApiError> {
    let team = teams::credit(&service, &caller, &team, asked, token).await?;
    Ok(Json(team))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}/ledger", tag = "teams", params(("team" = String, Path), PageParams),
    responses((status = 200, body = List<LedgerRow>), (status = "4XX", body = ErrorBody)))]
/// What moved a team's balance, the newest first.
pub(super) async fn ledger(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<LedgerRow>>, ApiError> {
    let page = page.request()?;
    let rows = teams::ledger(&service, &caller, &team, &page).await?;
    Ok(Json(rows.into()))
}
