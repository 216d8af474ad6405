//! Tiers, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gmtech_core::model::ModelSet;
use serde::Serialize;

use super::List;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Path};
use crate::ops::tiers::{self, CreateTier, TierInUse, UpdateTier};
use crate::service::Service;

/// A tier, and how many keys have it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TierView {
    /// Its name.
    name: String,
    /// Requests a minute.
    requests_per_minute: u32,
    /// Requests at once from a full bucket; null is as many as in a minute.
    requests_burst: Option<u32>,
    /// Tokens a minute.
    tokens_per_minute: u32,
    /// Tokens at once from a full bucket; null is as many as in a minute.
    tokens_burst: Option<u32>,
    /// Requests under way at once; null is any number.
    max_in_flight: Option<u32>,
    /// The models that its keys may use, as patterns; null is all.
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<ModelSet>,
    /// Its keys that have not been revoked; at most 1,000 are counted.
    keys: u32,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Millis,
    /// The version of its last change.
    version: u64,
}

impl From<TierInUse> for TierView {
    fn from(tier: TierInUse) -> Self {
        let TierInUse { info, keys } = tier;
        Self {
            name: info.name.to_string(),
            requests_per_minute: info.tier.requests_per_minute.get(),
            requests_burst: info.tier.requests_burst.map(Into::into),
            tokens_per_minute: info.tier.tokens_per_minute.get(),
            tokens_burst: info.tier.tokens_burst.map(Into::into),
            max_in_flight: info.tier.max_in_flight.map(Into::into),
            models: Some(info.tier.models).filter(|set| !set.is_any()),
            keys,
            created_at: info.created_at,
            version: info.version,
        }
    }
}

#[utoipa::path(get, path = "/admin/v1/tiers", tag = "tiers", operation_id = "tiers",
    responses((status = 200, body = List<TierView>), (status = "4XX", body = ErrorBody)))]
/// List tiers. They travel to the proxies with the keys.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<TierView>>, ApiError> {
    let tiers = tiers::list(&service, &caller).await?;
    Ok(Json(List::all(
        tiers.into_iter().map(TierView::from).collect(),
    )))
}

#[utoipa::path(post, path = "/admin/v1/tiers", tag = "tiers", operation_id = "create_tier", request_body = CreateTier,
    responses((status = 201, body = TierView), (status = "4XX", body = ErrorBody)))]
/// Make a tier.
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(asked): Body<CreateTier>,
) -> Result<(StatusCode, Json<TierView>), ApiError> {
    let tier = tiers::create(&service, &caller, asked).await?;
    Ok((StatusCode::CREATED, Json(tier.into())))
}

#[utoipa::path(get, path = "/admin/v1/tiers/{tier}", tag = "tiers", operation_id = "show_tier", params(("tier" = String, Path, description = "The tier's name")),
    responses((status = 200, body = TierView), (status = "4XX", body = ErrorBody)))]
/// Show one tier.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<TierView>, ApiError> {
    Ok(Json(tiers::show(&service, &caller, &name).await?.into()))
}

#[utoipa::path(patch, path = "/admin/v1/tiers/{tier}", tag = "tiers", operation_id = "update_tier", params(("tier" = String, Path, description = "The tier's name")), request_body = UpdateTier,
    responses((status = 200, body = TierView), (status = "4XX", body = ErrorBody)))]
/// Change a tier. Its keys have the new limits and models as soon as the proxies have applied the change.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(asked): Body<UpdateTier>,
) -> Result<Json<TierView>, ApiError> {
    let tier = tiers::update(&service, &caller, &name, asked).await?;
    Ok(Json(tier.into()))
}

#[utoipa::path(delete, path = "/admin/v1/tiers/{tier}", tag = "tiers", operation_id = "remove_tier", params(("tier" = String, Path, description = "The tier's name")),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Remove a tier that no key has.
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    tiers::remove(&service, &caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
