//! Questions about objects that providers keep.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use gmtech_core::objects::ObjectId;
use gmtech_core::sync::objects::{MAX_OBJECTS, encode};
use serde::Deserialize;

use super::binary;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::ops::objects;
use crate::service::Service;

#[derive(Deserialize)]
pub(super) struct ObjectParams {
    #[serde(default)]
    wait: u64,
}

/// Whose each object is.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    Path(digests): Path<String>,
    Query(asked): Query<ObjectParams>,
) -> Result<Response, ApiError> {
    let ids: Option<Vec<ObjectId>> = digests.split(',').map(ObjectId::from_hex).collect();
    let ids = ids
        .filter(|ids| ids.len() <= MAX_OBJECTS)
        .ok_or_else(|| ApiError::invalid("digests", "Not digests of objects."))?;
    let answers = objects::show(&service, &ids, Duration::from_millis(asked.wait)).await?;
    let bytes = encode(&answers).map_err(|error| ApiError::internal(&error))?;
    Ok(binary(bytes))
}
