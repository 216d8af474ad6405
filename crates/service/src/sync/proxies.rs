//! Proxies: their receipts, which say what they have applied.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::error::ApiError;
use crate::extract::Query;
use crate::ops::proxies;
use crate::service::Service;
use crate::store::Head;

#[derive(Deserialize)]
pub(super) struct ReceiptParams {
    proxy: String,
    epoch: u64,
    version: u64,
}

/// Notes what a proxy has applied.
pub(super) async fn note(
    State(service): State<Arc<Service>>,
    Query(said): Query<ReceiptParams>,
) -> Result<StatusCode, ApiError> {
    let applied = Head {
        epoch: said.epoch,
        version: said.version,
    };
    proxies::note(&service, &said.proxy, applied).await?;
    Ok(StatusCode::NO_CONTENT)
}
