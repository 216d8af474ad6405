//! The audit log, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::{List, PageParams};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::ops::audit;
use crate::service::Service;
use crate::store::AuditEntry;

/// Which changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only of this team.
    team: Option<String>,
    /// Only of this key, team or token.
    subject: Option<String>,
}

#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", operation_id = "audit", params(AuditParams, PageParams),
    responses((status = 200, body = List<AuditEntry>), (status = "4XX", body = ErrorBody)))]
/// Who changed what, the newest first.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(params): Query<AuditParams>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let (team, page) = (params.team.as_deref(), page.request()?);
    let log = audit::list(&service, &caller, team, params.subject, &page).await?;
    Ok(Json(log.into()))
}
