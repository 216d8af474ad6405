//! Teams, their members, their credit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::{Body, List, PageParams, Path, Query, fields};
use crate::error::{ApiError, ErrorBody};
use crate::money::parse_usd;
use crate::service::Service;
use crate::store::{LedgerRow, Member, NewCredit, NewMember, NewTeam, Team, TeamPatch};

/// A team to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateTeam {
    /// Its id: 1 to 64 letters, digits, `_`, `.` or `-`.
    id: String,
    /// What people call it; its id by default.
    #[serde(default)]
    name: Option<String>,
    /// Whether it may only spend what it has topped up. Otherwise the first top-up makes it so.
    #[serde(default)]
    prepaid: bool,
}

/// Credit for a team. One of the two amounts.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credit {
    /// Dollars as text (`"25.00"`); below zero is a correction.
    #[serde(default)]
    amount_usd: Option<String>,
    /// The same in nano-dollars.
    #[serde(default)]
    amount_nano_usd: Option<i64>,
    /// What for.
    #[serde(default)]
    note: String,
}

#[utoipa::path(post, path = "/admin/v1/teams", tag = "teams", request_body = CreateTeam,
    responses((status = 201, body = Team), (status = "4XX", body = ErrorBody)))]
/// Make a team.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(asked): Body<CreateTeam>,
) -> Result<(StatusCode, Json<Team>), ApiError> {
    let by = caller.must_be_admin()?;
    let id = fields::team("id", &asked.id)?;
    let name = fields::name("name", asked.name.as_deref().unwrap_or(&asked.id))?;
    let new = NewTeam {
        id,
        name,
        prepaid: asked.prepaid,
    };
    let team = service.store.create_team(new, &by).await?;
    tracing::info!(team = %team.id, by = by.actor, "team created");
    Ok((StatusCode::CREATED, Json(team)))
}

#[utoipa::path(get, path = "/admin/v1/teams", tag = "teams", params(PageParams),
    responses((status = 200, body = List<Team>), (status = "4XX", body = ErrorBody)))]
/// List teams by id.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<List<Team>>, ApiError> {
    Ok(Json(
        service
            .store
            .teams(caller.only_team(), &page.request()?)
            .await?
            .into(),
    ))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}", tag = "teams", params(("team" = String, Path)),
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Show a team and its balance.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<Team>, ApiError> {
    let team = fields::path_team(&team)?;
    caller.may_see(&team)?;
    Ok(Json(service.store.team(&team).await?))
}

#[utoipa::path(patch, path = "/admin/v1/teams/{team}", tag = "teams", params(("team" = String, Path)), request_body = TeamPatch,
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Change a team's name, or whether it is prepaid.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(mut patch): Body<TeamPatch>,
) -> Result<Json<Team>, ApiError> {
    let team = fields::path_team(&team)?;
    caller.may_see(&team)?;
    let by = caller.must_be_admin()?;
    patch.name = patch.name.map(|n| fields::name("name", &n)).transpose()?;
    Ok(Json(service.store.update_team(&team, patch, &by).await?))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}/members", tag = "teams", params(("team" = String, Path)),
    responses((status = 200, body = List<Member>), (status = "4XX", body = ErrorBody)))]
/// List a team's members.
pub(super) async fn members(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<List<Member>>, ApiError> {
    let team = fields::path_team(&team)?;
    caller.may_see(&team)?;
    service.store.team(&team).await?;
    Ok(Json(List::all(service.store.members(&team).await?)))
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
    let team = fields::path_team(&team)?;
    let by = caller.may_change(&team)?;
    let member = NewMember {
        email: fields::email(&member.email)?,
        ..member
    };
    Ok(Json(service.store.put_member(&team, member, &by).await?))
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
    let team = fields::path_team(&team)?;
    let by = caller.may_change(&team)?;
    service.store.remove_member(&team, &email, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/credit", tag = "teams", params(("team" = String, Path)), request_body = Credit,
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Top up a team's credit pool, or correct it. An `Idempotency-Key` makes a repeated call count once.
pub(super) async fn credit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Path(team): Path<String>,
    Body(asked): Body<Credit>,
) -> Result<Json<Team>, ApiError> {
    let team = fields::path_team(&team)?;
    caller.may_see(&team)?;
    let by = caller.must_be_admin()?;
    let amount = match (&asked.amount_usd, asked.amount_nano_usd) {
        (Some(usd), None) => parse_usd(usd),
        (None, Some(nanos)) => Some(nanos),
        _ => None,
    };
    let amount = amount
        .filter(|a| *a != 0 && a.checked_abs().is_some_and(|a| a <= i64::MAX / 1000))
        .ok_or_else(|| {
            ApiError::invalid(
                "amount_usd",
                "Give one amount, not zero: amount_usd as text (\"25.00\") or amount_nano_usd.",
            )
        })?;
    let note = fields::optional_text("note", &asked.note)?;
    let once = fields::once(&headers, &(&team, &asked))?;
    let team = service
        .store
        .credit(&team, NewCredit { amount, note, once }, &by)
        .await?;
    tracing::info!(team = %team.id, by = by.actor, amount, balance = team.balance_nano_usd, "credit");
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
    let team = fields::path_team(&team)?;
    caller.may_see(&team)?;
    service.store.team(&team).await?;
    Ok(Json(
        service.store.ledger(&team, &page.request()?).await?.into(),
    ))
}
