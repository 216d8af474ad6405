//! Members of teams, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::List;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Path};
use crate::ops::members;
use crate::service::Service;
use crate::store::{Member, NewMember};

#[utoipa::path(get, path = "/admin/v1/teams/{team}/members", tag = "teams", operation_id = "members", params(("team" = String, Path)),
    responses((status = 200, body = List<Member>), (status = "4XX", body = ErrorBody)))]
/// List a team's members.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<List<Member>>, ApiError> {
    let members = members::list(&service, &caller, &team).await?;
    Ok(Json(List::all(members)))
}

#[utoipa::path(put, path = "/admin/v1/teams/{team}/members", tag = "teams", operation_id = "put_member", params(("team" = String, Path)), request_body = NewMember,
    responses((status = 200, body = Member), (status = "4XX", body = ErrorBody)))]
/// Add a member, or change what the person is to the team.
pub(super) async fn put(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(member): Body<NewMember>,
) -> Result<Json<Member>, ApiError> {
    let member = members::put(&service, &caller, &team, member).await?;
    Ok(Json(member))
}

#[utoipa::path(delete, path = "/admin/v1/teams/{team}/members/{email}", tag = "teams", operation_id = "remove_member",
    params(("team" = String, Path), ("email" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Remove a member.
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, email)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    members::remove(&service, &caller, &team, &email).await?;
    Ok(StatusCode::NO_CONTENT)
}
