//! Counters in Envoy's stats.

use std::cell::RefCell;
use std::collections::HashMap;

use super::abi;

const COUNTER: u32 = 0;

thread_local! {
    /// Each definition gives a new id, so that a name is defined once a VM.
    static IDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// Adds one to the counter of that name. A counter that cannot be had is not counted.
pub(crate) fn count(name: &str) {
    let id = IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        if let Some(id) = ids.get(name) {
            return Some(*id);
        }
        let id = abi::define_metric(COUNTER, name.as_bytes()).ok()?;
        ids.insert(name.to_owned(), id);
        Some(id)
    });
    if let Some(id) = id {
        let _ = abi::increment_metric(id, 1);
    }
}
