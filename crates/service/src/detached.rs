//! Requests that change something run in a task of their own: a client that hangs up ends its connection, not its change.
//!
//! So a handler always runs to its end, and the audit log has what was done. Requests that only read are dropped when their client
//! hangs up.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::error::ApiError;
use crate::service::Service;

/// The middleware of both listeners.
pub(crate) async fn detached(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let work = next.run(request).in_current_span();
    match service.under_way.spawn(work).await {
        Ok(response) => response,
        Err(panic) => ApiError::internal(&panic).into_response(),
    }
}
