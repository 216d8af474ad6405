//! The audit log, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::{List, PageParams};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::ops::audit::{self, AskAudit};
use crate::service::Service;
use crate::store::AuditEntry;

#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", operation_id = "audit", params(AskAudit, PageParams),
    responses((status = 200, body = List<AuditEntry>), (status = "4XX", body = ErrorBody)))]
/// Who changed what, the latest first.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(asked): Query<AskAudit>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let log = audit::list(&service, &caller, asked, &page.request()?).await?;
    Ok(Json(log.into()))
}
