//! The proxy-facing listener, `/sync/v1`: what the filters learn and what they report.
//!
//! | request | answer |
//! |---|---|
//! | `GET changes?epoch&since&seen&proxy&wait&limit&keys&watch&filter&held&tiers` | a frame: what changed after `since`, held for up to `wait` ms until something has, or until other teams are watched than in version `watch` |
//! | `GET resolve/{digest}?keys` | a frame of kind `Resolved`: one key, or that there is none |
//! | `GET objects/{digest},…?wait` | who made each of these objects of a provider's; held for up to `wait` ms until all are known |
//! | `GET own/{key}/key`, `GET own/{key}/usage?from&to` | what a key asks about its own account: a status and a JSON document, which the gate passes on ([`gmtech_core::sync::own`]) |
//! | `POST usage` with a batch of events | how many were counted, as JSON |
//! | `POST levels?proxy` with levels of limits | 204 |
//! | `POST receipts?proxy&epoch&version` | 204 |
//!
//! `keys` is the newest version of frames that the filter reads. Without it, the answer is of the oldest
//! ([`gmtech_core::sync::versions`]).
//!
//! `filter`, `held` and `tiers` are what the proxy tells of itself: the version of its filter, how many keys it has records of,
//! and the fingerprints of the tiers of its configuration. People see them; nothing is decided by them.
//!
//! Asking for changes after `since` says that `since` is applied, so a poll is a receipt too; `seen` is the highest version in
//! any answer so far, of a question about one key too. A request of another epoch, or that has seen more than there is, is
//! answered with the first page of a snapshot; its further pages are deltas from there.
//!
//! # Failure policy
//! Everything is safe to repeat. A filter that gets no answer, or one that is not of this form, keeps what it has.

mod changes;
mod levels;
mod objects;
mod own;
mod proxies;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::authenticate::Listener;
use crate::detached::detached;
use crate::error::ApiError;
use crate::observe::observed;
use crate::probes;
use crate::service::Service;

const MAX_BODY: usize = 2 << 20;

/// The proxy-facing listener's routes.
pub fn app(service: Arc<Service>) -> Router {
    let router = Router::new()
        .route("/sync/v1/changes", get(changes::poll))
        .route("/sync/v1/resolve/{digest}", get(changes::resolve))
        .route("/sync/v1/objects/{digests}", get(objects::show))
        .route("/sync/v1/own/{key}/key", get(own::key))
        .route("/sync/v1/own/{key}/usage", get(own::usage))
        .route("/sync/v1/usage", post(usage::report))
        .route("/sync/v1/levels", post(levels::report))
        .route("/sync/v1/receipts", post(proxies::note))
        .route_layer(middleware::from_fn_with_state(
            service.clone(),
            only_proxies,
        ))
        .merge(probes::routes())
        .fallback(|| async { ApiError::not_found("URL") })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(service.clone(), detached))
        .with_state(service.clone());
    observed(router, service, Listener::Proxies)
}

async fn only_proxies(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    service.authenticate(Listener::Proxies, &parts).await?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn binary(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}
