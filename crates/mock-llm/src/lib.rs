//! An OpenAI-shaped upstream, for the local stack and the end-to-end tests. It has every endpoint that the gate
//! meters, in its exact wire shape. A test can compute the token counts in advance, and can ask for errors,
//! delays and broken answers (the `x-mock` header, see [`directive`]).
//!
//! **It is no model and no tokenizer.** It uses neither clock nor randomness: the same requests get the same
//! answers. Tests read the received requests at `/__mock/requests` and their true usage at `/__mock/usage`.
//!
//! # Failure policy
//! A request that the mock does not understand, such as one with a misspelt directive, is refused with an error
//! that names the cause. The mock ignores no directive.

#![allow(
    clippy::indexing_slicing,
    reason = "documents are built with json! and get fields by index, which inserts"
)]

pub mod capture;
pub mod count;
pub mod directive;

mod answer;
mod error;
mod family;
mod form;
mod job;
mod mock;
mod play;
mod script;
mod server;
mod shelf;
mod sse;
mod upstream;
mod verdict;
mod wire;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

pub use server::serve;

use capture::Filter;
use directive::Directives;
use mock::Mock;

/// The models that are listed by default.
pub const DEFAULT_MODELS: [&str; 9] = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4o-transcribe",
    "gpt-image-1",
    "omni-moderation-latest",
    "text-embedding-3-small",
    "whisper-1",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
];

/// The configuration of a mock.
#[derive(Clone, Debug)]
pub struct Config {
    /// The models that `GET /v1/models` lists. Requests for other models are answered too.
    pub models: Vec<String>,
    /// Sent back in `x-mock-name`, to tell upstreams apart. Visible ASCII.
    pub name: Option<String>,
    /// The provider's key. A request without `authorization: Bearer KEY` gets a 401.
    pub require_key: Option<String>,
    /// Directives for every request. The request's own directives override them.
    pub directives: Directives,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            models: DEFAULT_MODELS.map(str::to_owned).to_vec(),
            name: None,
            require_key: None,
            directives: Directives::default(),
        }
    }
}

/// The mock as a router, for tests and for [`serve`].
pub fn app(config: Config) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/__mock/requests", get(requests).delete(clear))
        .route("/__mock/usage", get(usage))
        .fallback(upstream::answer)
        .with_state(Arc::new(Mock::new(config)))
}

async fn requests(State(mock): State<Arc<Mock>>, Query(filter): Query<Filter>) -> Json<Value> {
    Json(json!(mock.capture.list(&filter)))
}

async fn clear(State(mock): State<Arc<Mock>>) -> StatusCode {
    mock.capture.clear();
    StatusCode::NO_CONTENT
}

async fn usage(State(mock): State<Arc<Mock>>) -> Json<Value> {
    Json(mock.capture.usage())
}
