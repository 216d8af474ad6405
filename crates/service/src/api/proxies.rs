//! Proxies, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::List;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::ops::proxies;
use crate::service::Service;
use crate::store::Proxy;

/// A proxy and its sync progress.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProxyView {
    /// The name that it gave itself.
    id: String,
    /// The version that it has applied.
    version: u64,
    /// Whether it has all there is.
    current: bool,
    /// When it was last heard of.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Millis,
}

#[utoipa::path(get, path = "/admin/v1/proxies", tag = "audit", operation_id = "proxies",
    responses((status = 200, body = List<ProxyView>), (status = "4XX", body = ErrorBody)))]
/// The live proxies and the version that each has applied.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<ProxyView>>, ApiError> {
    let (head, live) = proxies::list(&service, &caller).await?;
    let view = |proxy: Proxy| ProxyView {
        current: proxy.applied == head,
        id: proxy.id,
        version: proxy.applied.version,
        seen_at: proxy.seen_at,
    };
    Ok(Json(List::all(live.into_iter().map(view).collect())))
}
