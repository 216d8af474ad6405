//! Counters and histograms in Envoy's stats.

use std::cell::RefCell;
use std::collections::HashMap;

use super::abi;

#[derive(Clone, Copy)]
enum Kind {
    Counter = 0,
    Histogram = 2,
}

thread_local! {
    /// Each definition gives a new id, so that a name is defined once a VM.
    static IDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// The id of a metric; `None` where the host refuses to have it, so that it is not counted.
fn id(kind: Kind, name: &str) -> Option<u32> {
    IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        if let Some(id) = ids.get(name) {
            return Some(*id);
        }
        let id = abi::define_metric(kind as u32, name.as_bytes()).ok()?;
        ids.insert(name.to_owned(), id);
        Some(id)
    })
}

/// Adds to the counter of that name; nothing for zero, which the host refuses.
pub(crate) fn count(name: &str, amount: u64) {
    if let (Some(id), Ok(amount @ 1..)) = (id(Kind::Counter, name), i64::try_from(amount)) {
        let _ = abi::increment_metric(id, amount);
    }
}

/// Records a value in the histogram of that name.
pub(crate) fn observe(name: &str, value: u64) {
    if let Some(id) = id(Kind::Histogram, name) {
        let _ = abi::record_metric(id, value);
    }
}
