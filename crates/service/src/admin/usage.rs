//! What was used and what it cost.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::caller::Caller;
use super::{Body, List, Query, fields};
use crate::access_log;
use crate::error::{ApiError, ErrorBody};
use crate::service::Service;
use crate::store::{Batch, GroupBy, Import, Ingested, UsageQuery, UsageRow};

/// The most log entries in one import.
const MAX_IMPORT: usize = 1_000;

/// Which usage.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// `key` (the default), `team`, `model` or `day`.
    #[param(inline)]
    #[serde(default)]
    by: GroupBy,
    /// Only of this team.
    team: Option<String>,
    /// Only of this key.
    key: Option<String>,
    /// From this UTC day on, as 2026-11-23.
    from: Option<String>,
    /// Up to and with this day.
    to: Option<String>,
}

#[utoipa::path(get, path = "/admin/v1/usage", tag = "usage", params(UsageParams),
    responses((status = 200, body = List<UsageRow>), (status = "4XX", body = ErrorBody)))]
/// Requests, tokens, cost and refusals in groups.
pub(super) async fn query(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(params): Query<UsageParams>,
) -> Result<Json<List<UsageRow>>, ApiError> {
    let team = params
        .team
        .as_deref()
        .map(|t| fields::team("team", t))
        .transpose()?;
    let query = UsageQuery {
        by: params.by,
        team: caller.narrow(team)?,
        key: params.key.as_deref().map(fields::key_id).transpose()?,
        from_day: fields::day("from", params.from.as_deref())?,
        to_day: fields::day("to", params.to.as_deref())?,
    };
    Ok(Json(List::all(service.store.usage(&query).await?)))
}

#[utoipa::path(post, path = "/admin/v1/usage/import", tag = "usage", request_body = Vec<Object>,
    responses((status = 200, body = Ingested), (status = "4XX", body = ErrorBody)))]
/// Count what a crash kept from being reported: entries of Envoy's JSON access log, at most 1000. Each event id counts once,
/// whoever reports it and however late. The import is in the audit log.
pub(super) async fn import(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(entries): Body<Vec<serde_json::Value>>,
) -> Result<Json<Ingested>, ApiError> {
    let by = caller.must_be_admin()?;
    if entries.len() > MAX_IMPORT {
        return Err(ApiError::invalid(
            "body",
            format!("At most {MAX_IMPORT} entries at once."),
        ));
    }
    let (events, rest) = access_log::read_all(&entries);
    let priced = events.into_iter().map(|event| service.price(event));
    let batch = Batch {
        events: priced.collect(),
        import: Some(Import {
            by: by.clone(),
            rest,
        }),
    };
    let done = service.intake.take(batch).await?;
    service.metrics.events(&done);
    tracing::info!(by = by.actor, ?done, "usage imported");
    Ok(Json(done))
}
