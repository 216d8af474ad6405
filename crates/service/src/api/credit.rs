//! Credit and the ledger, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::{List, PageParams};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, IdempotencyKey, Path, Query};
use crate::ops::credit::{self, Credit};
use crate::service::Service;
use crate::store::{LedgerRow, Team};

#[utoipa::path(post, path = "/admin/v1/teams/{team}/credit", tag = "teams", operation_id = "credit", request_body = Credit,
    params(("team" = String, Path), ("Idempotency-Key" = Option<String>, Header,
            description = "Makes a repeated call count once", min_length = 1, max_length = 255)),
    responses((status = 200, body = Team), (status = "4XX", body = ErrorBody)))]
/// Top up a team's credit pool, or correct it. An `Idempotency-Key` makes a repeated call count once.
pub(super) async fn add(
    State(service): State<Arc<Service>>,
    caller: Caller,
    IdempotencyKey(token): IdempotencyKey,
    Path(team): Path<String>,
    Body(asked): Body<Credit>,
) -> Result<Json<Team>, ApiError> {
    let team = credit::add(&service, &caller, &team, asked, token).await?;
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
    let rows = credit::ledger(&service, &caller, &team, &page).await?;
    Ok(Json(rows.into()))
}
