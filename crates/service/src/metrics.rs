//! Counters and gauges for Prometheus: counts, versions and names of routes, never of teams, keys or people.

use std::time::Duration;

use crate::store::{Ingested, Then};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

const PREFIX: &str = "gmtech_service";

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
struct Posted {
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
    posted: Family<Posted, Counter>,
    waiting: Gauge,
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
            posted: Family::default(),
            waiting: Gauge::default(),
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
            "Changes that a restore has lost and that were not acknowledged",
            metrics.lost.clone(),
        );
        registry.register(
            "alert_attempts",
            "Attempts to post an alert to an address, by what became of them: delivered, again, given_up, disabled",
            metrics.posted.clone(),
        );
        registry.register(
            "alert_deliveries_waiting",
            "Alerts that wait to be posted to an address, for the first time or again",
            metrics.waiting.clone(),
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

    pub(crate) fn delivery(&self, then: Then) {
        let result = match then {
            Then::Delivered => "delivered",
            Then::Again(_) => "again",
            Then::GiveUp => "given_up",
            Then::Disable => "disabled",
        };
        self.posted.get_or_create(&Posted { result }).inc();
    }

    /// Sets the gauges. Those that the store could not give are left as they were, or out.
    pub(crate) fn set(&self, seen: &Seen) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.proxies.clear();
        let lag = seen.clock_lag.as_secs();
        self.clock_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        if let Some(lost) = seen.lost {
            self.lost.set(number(lost));
        }
        if let Some(waiting) = seen.waiting {
            self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
        if let Some(following) = seen.following {
            for (state, count) in [
                ("current", following.current),
                ("behind", following.live - following.current),
            ] {
                let labels = Proxies { state };
                self.proxies.get_or_create(&labels).set(number(count));
            }
            let version = i64::try_from(following.version).unwrap_or(i64::MAX);
            self.version.set(version);
        }
    }

    /// All of it, in the OpenMetrics format.
    ///
    /// # Errors
    /// Where a label cannot be written.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The values of the gauges when the metrics are read.
pub(crate) struct Seen {
    /// By how much the proven time is behind the wall clock.
    pub(crate) clock_lag: Duration,
    /// Changes that a restore has lost and that were not acknowledged; `None` if the store did not answer.
    pub(crate) lost: Option<usize>,
    /// Alerts that wait to be posted; `None` if the store did not answer.
    pub(crate) waiting: Option<u64>,
    /// The proxies; `None` if the store did not answer.
    pub(crate) following: Option<Following>,
}

/// How the proxies follow.
#[derive(Clone, Copy)]
pub(crate) struct Following {
    /// The version of the last change.
    pub(crate) version: u64,
    /// How many proxies are live.
    pub(crate) live: usize,
    /// How many of them have every change.
    pub(crate) current: usize,
}
