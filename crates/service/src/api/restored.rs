//! What a restored database lacks: over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::List;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::ops::restored;
use crate::service::Service;
use crate::store::Restored;

/// A change that was made after the backup that was restored, and is lost.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RestoredView {
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    at: Millis,
    /// Who made it.
    actor: String,
    /// What was done, as `key.revoke`.
    action: String,
    /// To what.
    subject: String,
    /// Of which team.
    team: Option<String>,
    /// Of a credit: how much, in nano-dollars.
    amount_nano_usd: Option<i64>,
    /// When it was found to be lost.
    #[schema(value_type = String, format = DateTime)]
    found_at: Millis,
    /// What that means, and what puts it right.
    advice: String,
}

impl From<Restored> for RestoredView {
    fn from(lost: Restored) -> Self {
        let advice = lost.change.advice();
        let change = lost.change;
        Self {
            at: Millis(change.at),
            actor: change.actor,
            action: change.action,
            subject: change.subject,
            team: change.team,
            amount_nano_usd: change.amount,
            found_at: lost.found_at,
            advice,
        }
    }
}

#[utoipa::path(get, path = "/admin/v1/restored", tag = "audit",
    responses((status = 200, body = List<RestoredView>), (status = "4XX", body = ErrorBody)))]
/// What was lost when the database was restored from a backup, until it is acknowledged: keys and credits that may be stale.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<RestoredView>>, ApiError> {
    let lost = restored::list(&service, &caller).await?;
    Ok(Json(List::all(
        lost.into_iter().map(RestoredView::from).collect(),
    )))
}

#[utoipa::path(delete, path = "/admin/v1/restored", tag = "audit",
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Acknowledge all lost changes.
pub(super) async fn acknowledge(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    restored::acknowledge(&service, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
