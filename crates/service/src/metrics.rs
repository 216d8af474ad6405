//! What Prometheus reads at `GET /metrics` of the management listener.
//!
//! It needs no token: it holds counts, versions and names of routes, never of teams, keys or people.
//!
//! # Failure policy
//! What cannot be read of the store is left out; the counts are there.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use crate::error::ApiError;
use crate::service::Service;
use crate::store::Ingested;
use crate::sync::receipts;

const PREFIX: &str = "gmtech_service";
/// How long the store may take to tell what is looked at.
const PATIENCE: Duration = Duration::from_secs(1);

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    listener: &'static str,
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Taken {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Proxies {
    state: &'static str,
}

/// Counters of this process since its start.
pub struct Metrics {
    registry: Registry,
    rejected: Family<Rejected, Counter>,
    answered: Family<Answered, Counter>,
    taken: Family<Taken, Counter>,
    proxies: Family<Proxies, Gauge>,
    version: Gauge,
    clock_lag: Gauge,
    lost: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            rejected: Family::default(),
            answered: Family::default(),
            taken: Family::default(),
            proxies: Family::default(),
            version: Gauge::default(),
            clock_lag: Gauge::default(),
            lost: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "tokens_rejected",
            "Tokens that were not accepted, by listener (management, sync) and reason",
            metrics.rejected.clone(),
        );
        registry.register(
            "requests",
            "Requests that were answered, by listener, method, route and status",
            metrics.answered.clone(),
        );
        registry.register(
            "events",
            "Usage events that were reported or imported, by what became of them",
            metrics.taken.clone(),
        );
        registry.register(
            "proxies",
            "Live proxies: those that have every change (current), and the others (behind)",
            metrics.proxies.clone(),
        );
        registry.register(
            "version",
            "The version of the last change of a key or of a credit state",
            metrics.version.clone(),
        );
        registry.register(
            "clock_lag_seconds",
            "By how much the time that services have run through is behind the wall clock: old data is kept that much longer",
            metrics.clock_lag.clone(),
        );
        registry.register(
            "lost_by_restore",
            "Changes that a restore has lost and that nobody has seen to",
            metrics.lost.clone(),
        );
        registry.register(
            "build",
            "The program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    pub(crate) fn token_rejected(&self, listener: &'static str, reason: &'static str) {
        let labels = Rejected { listener, reason };
        self.rejected.get_or_create(&labels).inc();
    }

    pub(crate) fn answered(
        &self,
        listener: &'static str,
        method: &'static str,
        route: &str,
        status: u16,
    ) {
        let labels = Answered {
            listener,
            method,
            route: route.to_owned(),
            status,
        };
        self.answered.get_or_create(&labels).inc();
    }

    pub(crate) fn events(&self, done: &Ingested) {
        for (result, count) in [
            ("accepted", done.accepted.saturating_sub(done.late)),
            ("late", done.late),
            ("duplicate", done.duplicate),
            ("unknown_key", done.unknown_key),
            ("malformed", done.malformed),
            ("summed", done.summed),
            ("unattributed", done.unattributed),
        ] {
            self.taken.get_or_create(&Taken { result }).inc_by(count);
        }
    }

    /// Reads what is not counted but looked at. What the store does not tell is left out.
    async fn look(&self, service: &Service) {
        self.proxies.clear();
        let lag = service.clock_lag().as_secs();
        self.clock_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        if let Ok(lost) = service.store.restored().await {
            self.lost.set(i64::try_from(lost.len()).unwrap_or(i64::MAX));
        }
        let (Ok(head), Ok(live)) = (service.store.head().await, receipts::live(service).await)
        else {
            return;
        };
        let current = live.iter().filter(|proxy| proxy.applied == head).count();
        for (state, count) in [("current", current), ("behind", live.len() - current)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.proxies.get_or_create(&Proxies { state }).set(count);
        }
        self.version
            .set(i64::try_from(head.version).unwrap_or(i64::MAX));
    }
}

/// Answers with all of it.
pub(crate) async fn page(State(service): State<Arc<Service>>) -> Result<Response, ApiError> {
    // A database that hangs must not hide the counts.
    let _ = timeout(PATIENCE, service.metrics.look(&service)).await;
    let mut text = String::new();
    encode(&mut text, &service.metrics.registry).map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
