//! Who changed what, which proxies are there, which tiers: over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::{List, PageParams, Query};
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::ops::audit;
use crate::service::Service;
use crate::store::{AuditEntry, Proxy};

/// Which changes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParams {
    /// Only of this team.
    team: Option<String>,
    /// Only of this key, team or token.
    subject: Option<String>,
}

/// A proxy and how far it is.
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

#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", params(AuditParams, PageParams),
    responses((status = 200, body = List<AuditEntry>), (status = "4XX", body = ErrorBody)))]
/// Who changed what, the newest first.
pub(super) async fn audit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(params): Query<AuditParams>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let (team, page) = (params.team.as_deref(), page.request()?);
    let log = audit::log(&service, &caller, team, params.subject, &page).await?;
    Ok(Json(log.into()))
}

#[utoipa::path(get, path = "/admin/v1/proxies", tag = "audit",
    responses((status = 200, body = List<ProxyView>), (status = "4XX", body = ErrorBody)))]
/// The live proxies and the version that each has applied.
pub(super) async fn proxies(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<ProxyView>>, ApiError> {
    let (head, live) = audit::proxies(&service, &caller).await?;
    let view = |proxy: Proxy| ProxyView {
        current: proxy.applied == head,
        id: proxy.id,
        version: proxy.applied.version,
        seen_at: proxy.seen_at,
    };
    Ok(Json(List::all(live.into_iter().map(view).collect())))
}

#[utoipa::path(get, path = "/admin/v1/tiers", tag = "audit",
    responses((status = 200, body = List<String>), (status = "4XX", body = ErrorBody)))]
/// The tiers that a key may have. Their limits are the filter's configuration.
pub(super) async fn tiers(
    State(service): State<Arc<Service>>,
    _caller: Caller,
) -> Json<List<String>> {
    Json(List::all(
        service.tiers().iter().map(ToString::to_string).collect(),
    ))
}
