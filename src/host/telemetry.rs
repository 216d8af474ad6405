//! Envoy's stats, the stream's filter state, and Envoy's log.
//!
//! A metric's labels are part of its dotted name: `gmtech_requests.tier.free.decision.allowed`. The stats tags of
//! envoy.yaml extract them.

use std::cell::RefCell;
use std::collections::HashMap;

use gmtech_core::telemetry::{Field, Metric, MetricKind, Telemetry};

use super::{Envoy, abi};

thread_local! {
    /// The ids of metrics by name. Each definition would give a new id, so a VM defines a name once.
    static IDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// The id of a metric; `None` if the host refuses to define it. Then it is not counted.
fn id(kind: MetricKind, name: String) -> Option<u32> {
    IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        if let Some(id) = ids.get(&name) {
            return Some(*id);
        }
        let kind = match kind {
            MetricKind::Counter => 0,
            MetricKind::Histogram => 2,
        };
        let id = abi::define_metric(kind, name.as_bytes()).ok()?;
        ids.insert(name, id);
        Some(id)
    })
}

impl Telemetry for Envoy {
    fn measure(&self, metric: Metric, labels: &[&str], value: u64) {
        let about = metric.description();
        let mut name = about.name.to_owned();
        for (label, value) in about.labels.iter().zip(labels) {
            name.extend([".", label, ".", value]);
        }
        let Some(id) = id(about.kind, name) else {
            return;
        };
        let _ = match about.kind {
            MetricKind::Histogram => abi::record_metric(id, value),
            // The host refuses to add zero.
            MetricKind::Counter => match i64::try_from(value) {
                Ok(value @ 1..) => abi::increment_metric(id, value),
                _ => return,
            },
        };
    }

    fn note(&self, field: Field, value: &str) {
        let name = field.name();
        if let Err(status) = abi::set_property(name.as_bytes(), value.as_bytes()) {
            log::warn!("gmtech: the host refused filter state {name}: {status:?}");
        }
    }

    fn warn(&self, what: &str) {
        log::warn!("gmtech: {what}");
    }
}
