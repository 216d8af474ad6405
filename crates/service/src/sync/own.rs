//! Questions of keys about their own accounts, which the gate passes on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gmtech_core::sync::own::OwnAnswer;
use serde::Serialize;

use super::binary;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::ops::own::{self, AskOwnUsage};
use crate::service::Service;

/// What a key may spend and has spent.
pub(super) async fn key(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Response {
    passed_on(own::key(&service, &id, Millis::now()).await)
}

/// What a key has used by day and model.
pub(super) async fn usage(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    asked: Result<Query<AskOwnUsage>, ApiError>,
) -> Response {
    let answer = match asked {
        Ok(Query(asked)) => own::usage(&service, &id, asked, Millis::now()).await,
        Err(error) => Err(error),
    };
    passed_on(answer)
}

/// What the client gets. The gate refuses by itself where the service has failed.
fn passed_on(answer: Result<impl Serialize, ApiError>) -> Response {
    let (status, json) = match answer {
        Ok(document) => (200, serde_json::to_string(&document).unwrap_or_default()),
        Err(error) if error.is_the_callers() => (error.status().as_u16(), error.to_json()),
        Err(error) => return error.into_response(),
    };
    let answer = OwnAnswer {
        status,
        json: &json,
    };
    binary(answer.encode())
}
