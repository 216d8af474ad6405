//! Usage, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::List;
use super::export::{self, Format};
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Foreign, Query};
use crate::ops::usage::{self, AskUsage};
use crate::service::Service;
use crate::store::{Ingested, UsageRow};

/// Which usage.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageParams {
    /// What to tell apart, with commas between: `key`, `team`, `model`, `endpoint`, `decision`, `owner`, `tag`. Without it `key`, or nothing
    /// where `every` is given.
    #[param(style = Form, explode = false, value_type = Option<Vec<String>>)]
    by: Option<String>,
    /// The span of each row: `minute`, `hour`, `day` or `month` (UTC). Without it, or with `none`, the whole time.
    every: Option<String>,
    /// From this UTC day (2026-11-23) or instant (RFC 3339, at a full minute) on. Without it all there is; for minutes the
    /// last hour, for hours the last day.
    from: Option<String>,
    /// Up to and with this UTC day, or up to this instant.
    to: Option<String>,
    /// Only of this team.
    team: Option<String>,
    /// Only of this key.
    key: Option<String>,
    /// Only of this model; empty for requests without one.
    model: Option<String>,
    /// Only of this group of endpoints, as `chat_completions`.
    endpoint: Option<String>,
    /// Only with this decision, as `allowed`.
    decision: Option<String>,
    /// Only of keys of this owner; empty for keys without one.
    owner: Option<String>,
    /// Only of keys with this tag; empty for keys without one.
    tag: Option<String>,
    /// What the page before gave as `next`.
    after: Option<String>,
    /// At most this many groups, 1 to 10,000; 1,000 by default.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
    /// `json` (the default), `csv` or `jsonl`. The header `Accept` says it too.
    format: Option<String>,
}

#[utoipa::path(get, path = "/admin/v1/usage", tag = "usage", params(UsageParams),
    responses((status = 200, content((List<UsageRow> = "application/json"), (String = "text/csv"),
        (String = "application/jsonl"))), (status = "4XX", body = ErrorBody)))]
/// Requests, tokens, cost and refusals in groups, by time first. A page of CSV or JSON Lines names the next one in its header
/// `Link`.
pub(super) async fn query(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(asked): RawQuery,
    Query(params): Query<UsageParams>,
) -> Result<Response, ApiError> {
    let format = Format::of(params.format.as_deref(), &headers)?;
    let question = AskUsage {
        by: params.by,
        every: params.every,
        from: params.from,
        to: params.to,
        team: params.team,
        key: params.key,
        model: params.model,
        endpoint: params.endpoint,
        decision: params.decision,
        owner: params.owner,
        tag: params.tag,
        after: params.after,
        limit: params.limit,
    };
    let found = usage::query(&service, &caller, question, Millis::now()).await?;
    export::render(format, found, asked.as_deref().unwrap_or_default())
}

#[utoipa::path(post, path = "/admin/v1/usage/import", tag = "usage", request_body = Vec<serde_json::Value>,
    responses((status = 200, body = Ingested), (status = "4XX", body = ErrorBody)))]
/// Count what a crash kept from being reported: entries of Envoy's JSON access log, at most 1000. Each event id counts once,
/// whoever reports it and however late. The import is in the audit log.
pub(super) async fn import(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Foreign(entries): Foreign,
) -> Result<Json<Ingested>, ApiError> {
    let done = usage::import(&service, &caller, &entries).await?;
    Ok(Json(done))
}
