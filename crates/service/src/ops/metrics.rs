//! The metrics, with what is looked at when they are read.
//!
//! # Failure policy
//! What the store does not tell in time is left out; the counts are there.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::ApiError;
use crate::metrics::{Following, Seen};
use crate::ops::proxies;
use crate::service::Service;

/// How long the store may take to tell what is looked at: a database that hangs must not hide the counts.
const PATIENCE: Duration = Duration::from_secs(1);

/// All metrics in the OpenMetrics format. They are for everybody: no team, key or person is in them.
///
/// # Errors
/// Where they cannot be written.
pub(crate) async fn text(service: &Service) -> Result<String, ApiError> {
    let lost = async { service.store.restored().await.ok().map(|lost| lost.len()) };
    let (lost, waiting, following) = tokio::join!(
        timeout(PATIENCE, lost),
        timeout(PATIENCE, service.store.deliveries_waiting()),
        timeout(PATIENCE, following(service))
    );
    service.metrics.set(&Seen {
        clock_lag: service.clock_lag(),
        lost: lost.ok().flatten(),
        waiting: waiting.ok().and_then(Result::ok),
        following: following.ok().flatten(),
    });
    let text = service.metrics.text();
    text.map_err(|error| ApiError::internal(&error))
}

async fn following(service: &Service) -> Option<Following> {
    let head = service.store.head().await.ok()?;
    let live = proxies::live(service).await.ok()?;
    Some(Following {
        version: head.version,
        live: live.len(),
        current: live.iter().filter(|proxy| proxy.applied == head).count(),
    })
}
