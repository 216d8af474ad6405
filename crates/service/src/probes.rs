//! Whether the process lives and whether it can do its work: `/healthz` and `/readyz`, on both listeners, without a token.
//!
//! `/healthz` answers 200 as long as the process answers at all: it says when to restart. `/readyz` proves a write and a
//! read, and says why not: it says where to send requests.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::service::Service;

/// The routes of both checks.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/healthz", get(|| async { StatusCode::OK }))
        .route("/readyz", get(ready))
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    let readiness = service.readiness().await;
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}
