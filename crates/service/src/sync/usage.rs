//! Usage that proxies report.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use gmtech_core::sync::events::decode_batch;

use crate::error::ApiError;
use crate::ops::usage;
use crate::service::Service;
use crate::store::Ingested;

/// Counts a batch of events.
pub(super) async fn report(
    State(service): State<Arc<Service>>,
    body: Bytes,
) -> Result<Json<Ingested>, ApiError> {
    let batch = decode_batch(&body)
        .map_err(|why| ApiError::invalid("body", format!("Not a batch of events: {why}.")))?;
    Ok(Json(usage::ingest(&service, batch).await?))
}
