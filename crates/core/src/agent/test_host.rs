//! A host for tests: a store in memory that records metrics, log fields and warnings.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::shared::memory::MemoryStore;
use crate::shared::{CounterStore, StoreError, SwapError, Version};
use crate::telemetry::{Field, Metric, Telemetry};

/// The store, the sum of each metric, the latest value of each field, the warnings, and the client's address and
/// protocol.
#[derive(Default)]
pub(crate) struct TestHost {
    pub(crate) store: MemoryStore,
    measured: RefCell<BTreeMap<String, u64>>,
    fields: RefCell<BTreeMap<String, String>>,
    pub(crate) warnings: RefCell<Vec<String>>,
    /// The client's address; an error if the host fails to report it.
    pub(crate) address: Option<Result<Option<IpAddr>, &'static str>>,
    pub(crate) protocol: Option<&'static str>,
}

impl TestHost {
    /// A host whose client has this address; an error makes the lookup fail.
    pub(crate) fn of_client(address: Result<Option<&str>, &'static str>) -> Self {
        let parse = |address: Option<&str>| address.map(|a| a.parse().unwrap());
        Self {
            address: Some(address.map(parse)),
            ..Self::default()
        }
    }

    /// A host whose request uses this protocol.
    pub(crate) fn over(protocol: Option<&'static str>) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// The sum of a metric with these values of its labels, such as `gmtech_requests free allowed`.
    pub(crate) fn measured(&self, series: &str) -> u64 {
        self.measured.borrow().get(series).copied().unwrap_or(0)
    }

    /// Every metric that is not zero, as `series=sum`.
    pub(crate) fn series(&self) -> Vec<String> {
        let measured = self.measured.borrow();
        let some = measured.iter().filter(|(_, sum)| **sum > 0);
        some.map(|(series, sum)| format!("{series}={sum}"))
            .collect()
    }

    /// The value of a field.
    pub(crate) fn field(&self, field: Field) -> Option<String> {
        self.fields.borrow().get(&*field.name()).cloned()
    }
}

impl CounterStore for TestHost {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.store.get(key)
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        self.store.swap(key, value, expected)
    }
}

impl Telemetry for TestHost {
    fn measure(&self, metric: Metric, labels: &[&str], value: u64) {
        let about = metric.description();
        assert_eq!(labels.len(), about.labels.len(), "{metric:?}");
        let series = [&[about.name], labels].concat().join(" ");
        *self.measured.borrow_mut().entry(series).or_default() += value;
    }

    fn note(&self, field: Field, value: &str) {
        let name = field.name().into_owned();
        self.fields.borrow_mut().insert(name, value.to_owned());
    }

    fn warn(&self, what: &str) {
        self.warnings.borrow_mut().push(what.to_owned());
    }
}
