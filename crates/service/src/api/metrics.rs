//! What Prometheus reads at `GET /metrics`. It needs no token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::ops::metrics;
use crate::service::Service;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers with all metrics.
pub(super) async fn page(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    let text = metrics::text(&service).await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
