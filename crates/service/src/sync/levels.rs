//! Levels of limits that a proxy reports while somebody watches them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use gmtech_core::sync::levels::decode;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::Query;
use crate::ops::proxies;
use crate::service::Service;

#[derive(Deserialize)]
pub(super) struct LevelParams {
    /// The proxy's own name.
    proxy: String,
}

/// Takes a report.
pub(super) async fn report(
    State(service): State<Arc<Service>>,
    Query(asked): Query<LevelParams>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let keys = decode(&body).map_err(|why| ApiError::invalid("body", format!("{why}.")))?;
    proxies::levels(&service, &asked.proxy, keys)?;
    Ok(StatusCode::NO_CONTENT)
}
