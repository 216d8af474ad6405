//! Alerts and the addresses that they are posted to, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::{List, PageParams};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Path, Query};
use crate::ops::alerts::{
    self, AddAlertAddress, AlertTest, SecretAlertAddress, UpdateAlertAddress,
};
use crate::service::Service;
use crate::store::{Alert, AlertAddress, Delivery};

#[utoipa::path(get, path = "/admin/v1/teams/{team}/alerts", tag = "alerts", operation_id = "alerts",
    params(("team" = String, Path), PageParams),
    responses((status = 200, body = List<Alert>), (status = "4XX", body = ErrorBody)))]
/// List a team's alerts, the newest first. They are kept for 90 days.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Query(page): Query<PageParams>,
) -> Result<Json<List<Alert>>, ApiError> {
    let page = page.request()?;
    let found = alerts::list(&service, &caller, &team, &page).await?;
    Ok(Json(found.into()))
}

#[utoipa::path(get, path = "/admin/v1/teams/{team}/alert-addresses", tag = "alerts", operation_id = "alert_addresses",
    params(("team" = String, Path)),
    responses((status = 200, body = List<AlertAddress>), (status = "4XX", body = ErrorBody)))]
/// List the addresses that a team's alerts are posted to.
pub(super) async fn addresses(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<List<AlertAddress>>, ApiError> {
    let found = alerts::addresses(&service, &caller, &team).await?;
    Ok(Json(List::all(found)))
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/alert-addresses", tag = "alerts", operation_id = "add_alert_address",
    params(("team" = String, Path)), request_body = AddAlertAddress,
    responses((status = 201, body = SecretAlertAddress), (status = "4XX", body = ErrorBody)))]
/// Add an address. The answer has the secret that signs the posts, once.
pub(super) async fn add(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(asked): Body<AddAlertAddress>,
) -> Result<(StatusCode, Json<SecretAlertAddress>), ApiError> {
    let added = alerts::add(&service, &caller, &team, asked).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

#[utoipa::path(patch, path = "/admin/v1/teams/{team}/alert-addresses/{id}", tag = "alerts", operation_id = "update_alert_address",
    params(("team" = String, Path), ("id" = String, Path)), request_body = UpdateAlertAddress,
    responses((status = 200, body = AlertAddress), (status = "4XX", body = ErrorBody)))]
/// Turn an address on or off. Alerts that wait for one that is turned off are not sent to it.
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
    Body(asked): Body<UpdateAlertAddress>,
) -> Result<Json<AlertAddress>, ApiError> {
    let address = alerts::update(&service, &caller, &team, &id, asked).await?;
    Ok(Json(address))
}

#[utoipa::path(delete, path = "/admin/v1/teams/{team}/alert-addresses/{id}", tag = "alerts", operation_id = "remove_alert_address",
    params(("team" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Remove an address. Alerts that wait for it are not sent.
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    alerts::remove(&service, &caller, &team, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/alert-addresses/{id}/rotate-secret", tag = "alerts", operation_id = "rotate_alert_secret",
    params(("team" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = SecretAlertAddress), (status = "4XX", body = ErrorBody)))]
/// Give an address another secret. For a day the posts are signed by both.
pub(super) async fn rotate_secret(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Result<Json<SecretAlertAddress>, ApiError> {
    let rotated = alerts::rotate_secret(&service, &caller, &team, &id).await?;
    Ok(Json(rotated))
}

#[utoipa::path(post, path = "/admin/v1/teams/{team}/alert-addresses/{id}/test", tag = "alerts", operation_id = "test_alert_address",
    params(("team" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = AlertTest), (status = "4XX", body = ErrorBody)))]
/// Post a test to an address, once, and say what became of it.
pub(super) async fn test(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Result<Json<AlertTest>, ApiError> {
    let done = alerts::test(&service, &caller, &team, &id).await?;
    Ok(Json(done))
}

/// Which deliveries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// To this address only.
    address: Option<String>,
}

/// How many deliveries are listed.
const LISTED: u32 = 100;

#[utoipa::path(get, path = "/admin/v1/teams/{team}/alert-deliveries", tag = "alerts", operation_id = "alert_deliveries",
    params(("team" = String, Path), Which),
    responses((status = 200, body = List<Delivery>), (status = "4XX", body = ErrorBody)))]
/// List the latest hundred deliveries to a team's addresses, the newest first.
pub(super) async fn deliveries(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(team): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<List<Delivery>>, ApiError> {
    let address = which.address.as_deref();
    let found = alerts::deliveries(&service, &caller, &team, address, LISTED).await?;
    Ok(Json(List::all(found)))
}
