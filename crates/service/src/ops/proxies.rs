//! Proxies: which version each has applied, and waiting until all of them have one.
//!
//! A proxy is live if it has polled within the configured window. One that died counts as pending until the window is over:
//! it cannot be told from one that is cut off and still answers clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gmtech_core::key::holds_key;
use gmtech_core::sync::levels::KeyLevels;
use serde::Serialize;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Head, Proxy};

/// The most names that a receipt lists.
const MAX_PENDING: usize = 20;

/// How often to look for reports that reached another process.
const LOOK: Duration = Duration::from_millis(50);

/// Which proxies have applied a change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The version of the change.
    pub version: u64,
    /// How many proxies are live.
    pub live: usize,
    /// How many of them have applied it.
    pub applied: usize,
    /// Whether all have applied it.
    pub complete: bool,
    /// Some of those that have not.
    pub pending: Vec<String>,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

/// Notes what a proxy has applied.
///
/// # Errors
/// Where the name is none, or the store does not answer.
pub(crate) async fn note(service: &Service, proxy: &str, applied: Head) -> Result<(), ApiError> {
    check(proxy)?;
    service.store.report(proxy, applied, Millis::now()).await?;
    service.reported.notify_waiters();
    Ok(())
}

/// As [`note`], without making the caller wait: a poll brings revocations, and must not wait behind the writers of usage. A
/// failure is logged; the next poll reports it again.
///
/// # Errors
/// Where the name is none.
pub(crate) fn note_soon(
    service: &Arc<Service>,
    proxy: &str,
    applied: Head,
) -> Result<(), ApiError> {
    check(proxy)?;
    let (service, proxy) = (Arc::clone(service), proxy.to_owned());
    tokio::spawn(async move {
        match service.store.report(&proxy, applied, Millis::now()).await {
            Ok(()) => service.reported.notify_waiters(),
            Err(error) => tracing::warn!(%error, proxy, "a receipt was not noted"),
        }
    });
    Ok(())
}

/// Takes the levels of limits that a proxy reports while somebody watches them.
///
/// # Errors
/// Where the name is none.
pub(crate) fn levels(service: &Service, proxy: &str, keys: Vec<KeyLevels>) -> Result<(), ApiError> {
    check(proxy)?;
    service.levels.report(proxy, keys, clock());
    Ok(())
}

fn check(proxy: &str) -> Result<(), ApiError> {
    let fits = (1..=128).contains(&proxy.len())
        && proxy.bytes().all(|b| b.is_ascii_graphic())
        && !holds_key(proxy.as_bytes());
    if fits {
        Ok(())
    } else {
        Err(ApiError::invalid(
            "proxy",
            "proxy must be 1 to 128 visible ASCII characters.",
        ))
    }
}

/// The live proxies, and the version that there is to apply. Every caller may see them.
///
/// # Errors
/// Where the store does not answer.
pub async fn list(service: &Service, _caller: &Caller) -> Result<(Head, Vec<Proxy>), ApiError> {
    let head = service.store.head().await?;
    Ok((head, live(service).await?))
}

/// The live proxies.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn live(service: &Service) -> Result<Vec<Proxy>, ApiError> {
    let window = i64::try_from(service.live_window.as_millis()).unwrap_or(i64::MAX);
    let since = Millis(Millis::now().0.saturating_sub(window));
    Ok(service.store.proxies(since).await?)
}

/// Waits until every live proxy has applied `version`, for at most `patience`.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn wait(
    service: &Service,
    version: u64,
    patience: Duration,
) -> Result<Receipt, ApiError> {
    let started = clock();
    loop {
        // Subscribed before looking, so that a report in between is not missed.
        let reported = service.reported.notified();
        let epoch = service.store.head().await?.epoch;
        let live = live(service).await?;
        let has = |proxy: &&Proxy| proxy.applied.epoch == epoch && proxy.applied.version >= version;
        let applied = live.iter().filter(has).count();
        let elapsed = started.elapsed();
        if applied == live.len() || elapsed >= patience {
            let pending = live.iter().filter(|p| !has(p)).take(MAX_PENDING);
            return Ok(Receipt {
                version,
                live: live.len(),
                applied,
                complete: applied == live.len(),
                pending: pending.map(|p| p.id.clone()).collect(),
                took_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            });
        }
        let _ = timeout(LOOK.min(patience.saturating_sub(elapsed)), reported).await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn clock() -> Instant {
    Instant::now()
}
