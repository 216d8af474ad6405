//! Proxies, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gmtech_core::ident::TierName;
use serde::Serialize;

use super::List;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::ops::proxies::{self, ProxyState};
use crate::service::Service;

/// A proxy, its sync progress, and what it tells of itself.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProxyView {
    /// The name that it gave itself.
    id: String,
    /// Whether it has polled within the service's `--live-window`. Otherwise it is gone.
    live: bool,
    /// The version of its filter; null if the filter does not tell.
    filter_version: Option<String>,
    /// The version that it has applied.
    version: u64,
    /// Whether it has all there is.
    current: bool,
    /// By how many changes it is behind; null if it has the data from before a restore.
    behind: Option<u64>,
    /// How many keys it has records of, revoked ones included; null if the filter does not tell.
    keys_held: Option<u64>,
    /// The tiers of its configuration that have other limits or models than the service's; null if the filter does not tell.
    #[schema(value_type = Option<Vec<String>>)]
    tiers_different: Option<Vec<TierName>>,
    /// The tiers of its configuration that the service does not have; null if the filter does not tell.
    #[schema(value_type = Option<Vec<String>>)]
    tiers_only_configured: Option<Vec<TierName>>,
    /// When it was last heard.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Millis,
}

impl From<ProxyState> for ProxyView {
    fn from(of: ProxyState) -> Self {
        let ProxyState { proxy, live, .. } = of;
        let (different, only_configured) = of
            .tiers
            .map(|tiers| (tiers.different, tiers.only_configured))
            .unzip();
        Self {
            id: proxy.id,
            live,
            filter_version: proxy.told.filter,
            version: proxy.applied.version,
            current: of.behind == Some(0),
            behind: of.behind,
            keys_held: proxy.told.held,
            tiers_different: different,
            tiers_only_configured: only_configured,
            seen_at: proxy.seen_at,
        }
    }
}

#[utoipa::path(get, path = "/admin/v1/proxies", tag = "audit", operation_id = "proxies",
    responses((status = 200, body = List<ProxyView>), (status = "4XX", body = ErrorBody)))]
/// The proxies that were heard within a day, by name, with what each has applied.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<ProxyView>>, ApiError> {
    let (_, known) = proxies::list(&service, &caller).await?;
    let views = known.into_iter().map(ProxyView::from).collect();
    Ok(Json(List::all(views)))
}
