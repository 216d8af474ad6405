//! Keeps the session of each request with what a proxy in front of the pages says, where one does.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::PageError;
use super::visitor::session;
use crate::identity_header;
use crate::ops::sign_in::header;
use crate::service::Service;

/// Stands before all pages, behind the layer that gives a request its session.
pub(super) async fn hold(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let held = async {
        let named = identity_header::named(&service.people, &parts)?;
        header::hold(&service, &session(&parts)?, named.as_deref()).await?;
        Ok::<_, PageError>(())
    };
    match held.await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}
