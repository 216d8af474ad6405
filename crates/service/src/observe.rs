//! Observability of both listeners' requests: a request id in every log line and in the answer, and a count.
//!
//! A caller may choose the id (`x-request-id`), so that one id follows a change through several programs; one that is
//! no plain short text, or that holds a key, is replaced.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use gmtech_core::key::holds_key;
use tracing::Instrument;

use crate::authenticate::Listener;
use crate::secret;
use crate::service::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID: usize = 128;

/// The route label of requests without a route.
const NO_ROUTE: &str = "none";

/// `router` with all its requests observed.
pub(crate) fn observed(router: Router, service: Arc<Service>, listener: Listener) -> Router {
    router.layer(middleware::from_fn_with_state((service, listener), observe))
}

async fn observe(
    State((service, listener)): State<(Arc<Service>, Listener)>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    // Of the highest level, so that the id is in the lines of whatever levels are wanted.
    let span = tracing::error_span!(
        "request",
        listener = listener.name(),
        request_id = id.to_str().unwrap_or_default(),
        method,
        route
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.in_scope(|| tracing::debug!(status, "answered"));
    service
        .metrics
        .answered(listener.name(), method, route, status);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's id, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        id.to_str().is_ok_and(|text| {
            (1..=MAX_ID).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_graphic())
                && !holds_key(text.as_bytes())
        })
    });
    given.cloned().unwrap_or_else(new_id)
}

fn new_id() -> HeaderValue {
    secret::random::<16>()
        .ok()
        .and_then(|bytes| HeaderValue::from_str(&hex::encode(bytes)).ok())
        // Without randomness nothing else works either.
        .unwrap_or_else(|| HeaderValue::from_static("none"))
}

/// The method as a label. A client can send any word as a method: unknown ones share one label.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_id_is_kept_where_it_is_plain_and_holds_no_key() {
        let key = secret::new_key().unwrap();
        let long = "x".repeat(MAX_ID + 1);
        for (given, kept) in [
            ("7f3a-of-the-caller", true),
            ("two words", false),
            ("", false),
            (long.as_str(), false),
            (key.reveal(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(given).unwrap());
            let id = request_id(&headers);
            assert_eq!(id == given, kept, "{given:?}");
            assert!(!id.is_empty());
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
