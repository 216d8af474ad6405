//! Usage: reported by proxies, imported from access logs, and shown in reports.

pub mod chart;
pub mod course;
pub mod kept;
pub mod of_keys;
pub mod overview;
pub mod range;
mod reports;
pub mod totals;

use gmtech_core::sync::SyncError;
use gmtech_core::sync::events::UsageEvent;

pub use reports::{AskUsage, MAX_GROUPS, Usage, query};

use crate::access_log;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Batch, Import, Ingested};

/// The most log entries in one import.
pub const MAX_IMPORT: usize = 1_000;

/// Counts and charges the events of one batch of a proxy's; those that cannot be read are counted as malformed. Each event id
/// counts once.
///
/// # Errors
/// Where the store does not answer. To send the batch again is safe.
pub(crate) async fn ingest(
    service: &Service,
    batch: Vec<Result<UsageEvent, SyncError>>,
) -> Result<Ingested, ApiError> {
    let received = batch.len();
    let known = batch.into_iter().flatten();
    let priced: Vec<_> = known.map(|event| service.price(event)).collect();
    let malformed = received - priced.len();
    let mut done = service.intake.take(priced).await?;
    done.malformed = u64::try_from(malformed).unwrap_or(u64::MAX);
    service.metrics.events(&done);
    if done.malformed + done.unknown_key > 0 {
        tracing::warn!(?done, "events were not counted");
    }
    Ok(done)
}

/// Counts and charges entries of Envoy's JSON access log, at most [`MAX_IMPORT`]: what no proxy has reported. Each event id
/// counts once.
///
/// # Errors
/// Where the caller is no administrator, there are too many entries, or the store does not answer.
pub async fn import(
    service: &Service,
    caller: &Caller,
    entries: &[serde_json::Value],
) -> Result<Ingested, ApiError> {
    let by = caller.must_be_admin()?;
    if entries.len() > MAX_IMPORT {
        return Err(ApiError::invalid(
            "body",
            format!("At most {MAX_IMPORT} entries at once."),
        ));
    }
    let (events, rest) = access_log::read_all(entries);
    let priced = events.into_iter().map(|event| service.price(event));
    let batch = Batch {
        events: priced.collect(),
        import: Some(Import {
            by: by.clone(),
            rest,
        }),
    };
    let done = service.intake.take(batch).await?;
    service.metrics.events(&done);
    tracing::info!(by = by.actor, ?done, "usage imported");
    Ok(done)
}
