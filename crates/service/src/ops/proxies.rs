//! Proxies: which version each has applied, and waiting until all of them have one.
//!
//! A proxy is live if it has polled within the configured window. One that died counts as pending until the window is over:
//! it cannot be told from one that is cut off and still answers clients. One that is gone is listed for a day more.
//!
//! A proxy tells the tiers of its configuration by fingerprint. Here, and nowhere else, they are compared with the service's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gmtech_core::ident::TierName;
use gmtech_core::key::holds_key;
use gmtech_core::sync::levels::KeyLevels;
use serde::Serialize;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::clock::{DAY_MS, Millis};
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Head, Proxy, ProxyTold, TierInfo};

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

/// A proxy as people see it.
#[derive(Clone, Debug)]
pub struct ProxyState {
    /// What it last reported.
    pub proxy: Proxy,
    /// Whether it was heard within the configured window. Otherwise it is gone.
    pub live: bool,
    /// By how many changes it is behind the service; `None` if it still has another epoch.
    pub behind: Option<u64>,
    /// How the tiers of its configuration differ from the service's; `None` if its filter does not tell them.
    pub tiers: Option<TierDifference>,
}

/// How the tiers of a proxy's configuration differ from the service's, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierDifference {
    /// Those that both have, with other limits or models.
    pub different: Vec<TierName>,
    /// Those that the service does not have.
    pub only_configured: Vec<TierName>,
}

/// Notes what a proxy has applied.
///
/// # Errors
/// Where the name is none, or the store does not answer.
pub(crate) async fn note(service: &Service, proxy: &str, applied: Head) -> Result<(), ApiError> {
    check(proxy)?;
    let told = ProxyTold::default();
    let (store, now) = (&service.store, Millis::now());
    store.report(proxy, applied, &told, now).await?;
    service.reported.notify_waiters();
    Ok(())
}

/// As [`note`], with what the proxy tells of itself, and without making the caller wait: a poll brings revocations, and must not wait behind the writers of usage. A
/// failure is logged; the next poll reports it again.
///
/// # Errors
/// Where the name is none.
pub(crate) fn note_soon(
    service: &Arc<Service>,
    proxy: &str,
    applied: Head,
    told: ProxyTold,
) -> Result<(), ApiError> {
    check(proxy)?;
    let (service, proxy) = (Arc::clone(service), proxy.to_owned());
    tokio::spawn(async move {
        let (store, now) = (&service.store, Millis::now());
        match store.report(&proxy, applied, &told, now).await {
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

/// The proxies that were heard within a day, by name, and the version that there is to apply. Every caller may see them.
///
/// # Errors
/// Where the store does not answer.
pub async fn list(
    service: &Service,
    _caller: &Caller,
) -> Result<(Head, Vec<ProxyState>), ApiError> {
    let (head, tiers) = (service.store.head().await?, service.store.tiers().await?);
    let now = Millis::now();
    let window = live_since(service, now);
    let since = window.min(Millis(now.0.saturating_sub(DAY_MS)));
    let known = service.store.proxies(since).await?;
    let state = |proxy: Proxy| ProxyState {
        live: proxy.seen_at >= window,
        behind: (proxy.applied.epoch == head.epoch)
            .then(|| head.version.saturating_sub(proxy.applied.version)),
        tiers: proxy.told.tiers.as_ref().map(|told| {
            let mut difference = TierDifference::default();
            for (name, fingerprint) in told {
                match tiers.iter().find(|info| info.name == *name) {
                    Some(TierInfo { tier, .. }) if tier.fingerprint() == *fingerprint => {}
                    Some(_) => difference.different.push(name.clone()),
                    None => difference.only_configured.push(name.clone()),
                }
            }
            difference
        }),
        proxy,
    };
    Ok((head, known.into_iter().map(state).collect()))
}

/// How many live proxies are configured with other limits or models for a tier than the service has, by the tier's name.
#[must_use]
pub fn tiers_that_differ(known: &[ProxyState]) -> BTreeMap<&TierName, usize> {
    let mut differ = BTreeMap::new();
    for tiers in known
        .iter()
        .filter(|of| of.live)
        .filter_map(|of| of.tiers.as_ref())
    {
        for name in &tiers.different {
            *differ.entry(name).or_default() += 1;
        }
    }
    differ
}

/// The live proxies.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn live(service: &Service) -> Result<Vec<Proxy>, ApiError> {
    let since = live_since(service, Millis::now());
    Ok(service.store.proxies(since).await?)
}

/// A proxy that was heard since then is live.
fn live_since(service: &Service, now: Millis) -> Millis {
    let window = i64::try_from(service.live_window.as_millis()).unwrap_or(i64::MAX);
    Millis(now.0.saturating_sub(window))
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
