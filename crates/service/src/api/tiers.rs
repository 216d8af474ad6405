//! Tiers, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::List;
use crate::caller::Caller;
use crate::error::ErrorBody;
use crate::ops::tiers;
use crate::service::Service;

#[utoipa::path(get, path = "/admin/v1/tiers", tag = "audit", operation_id = "tiers",
    responses((status = 200, body = List<String>), (status = "4XX", body = ErrorBody)))]
/// The tiers that a key may have. Their limits are the filter's configuration.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Json<List<String>> {
    let tiers = tiers::list(&service, &caller);
    Json(List::all(tiers.iter().map(ToString::to_string).collect()))
}
