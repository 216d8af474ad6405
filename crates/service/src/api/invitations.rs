//! Invitations into a team, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::List;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Path};
use crate::ops::invitations::{self, Invite, Invited};
use crate::service::Service;
use crate::store::Invitation;

#[utoipa::path(post, path = "/admin/v1/teams/{team}/invitations", tag = "teams", operation_id = "invite",
    params(("team" = String, Path)), request_body = Invite,
    responses((status = 201, body = Invited), (status = "4XX", body = ErrorBody)))]
/// Invite somebody into a team by a link that is open for a week. It revokes an open one of the same address.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(asked): Body<Invite>,
) -> Result<(StatusCode, Json<Invited>), ApiError> {
    let invited = invitations::invite(&service, &caller, &team, asked).await?;
    Ok((StatusCode::CREATED, Json(invited)))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}/invitations", tag = "teams", operation_id = "invitations",
    params(("team" = String, Path)),
    responses((status = 200, body = List<Invitation>), (status = "4XX", body = ErrorBody)))]
/// List a team's open invitations.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<List<Invitation>>, ApiError> {
    let open = invitations::list(&service, &caller, &team).await?;
    Ok(Json(List::all(open)))
}

#[utoipa::path(delete, path = "/admin/v1/teams/{team}/invitations/{id}", tag = "teams", operation_id = "revoke_invitation",
    params(("team" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Revoke an invitation.
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    invitations::revoke(&service, &caller, &team, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
