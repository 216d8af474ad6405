//! The name by which this process identifies itself to the key service when it confirms the version it has applied.
//!
//! It is drawn at random once and kept in the store, so that all workers use the same name and it outlives each of
//! them.

use crate::shared::{Change, CounterStore, Retry, StoreError, names, update};

/// The stored form: a parameter of the poll's query with the name as its value.
const PARAMETER: &str = "&proxy=";

/// Returns the name as a parameter to append to a poll's query (`&proxy=envoy-…`). If no name is stored yet, one is
/// made from the random number `drawn`, unless another worker stores one first.
///
/// # Errors
/// [`StoreError`] if the store fails or every swap was lost.
pub fn parameter(store: &impl CounterStore, drawn: u64) -> Result<String, StoreError> {
    let name = update(store, names::PROXY_NAME, Retry::Briefly, |kept| {
        match kept {
            // No other code writes this value. Bytes that are not UTF-8 give no parameter.
            Some(kept) => Change::Keep(String::from_utf8(kept.to_vec()).unwrap_or_default()),
            None => {
                let name = format!("{PARAMETER}envoy-{drawn:016x}");
                Change::Write(name.clone().into_bytes(), name)
            }
        }
    });
    Ok(name?)
}

/// The name itself, if it has been drawn and can be read.
#[must_use]
pub fn known(store: &impl CounterStore) -> Option<String> {
    let (kept, _) = store.get(names::PROXY_NAME).ok()??;
    let parameter = String::from_utf8(kept).ok()?;
    parameter.strip_prefix(PARAMETER).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::memory::MemoryStore;

    #[test]
    fn the_name_is_drawn_once_and_then_kept() {
        let store = MemoryStore::default();
        let first = parameter(&store, 0xabc).unwrap();
        assert_eq!(first, "&proxy=envoy-0000000000000abc");
        assert_eq!(parameter(&store, 0xdef), Ok(first));
        assert_eq!(store.swaps.get(), 1);
    }

    #[test]
    fn a_worker_that_loses_the_race_uses_the_stored_name() {
        let store = MemoryStore::default();
        store.lose_next.set(1);
        assert!(parameter(&store, 1).is_ok(), "it tries again");
        store.broken.set(true);
        assert_eq!(parameter(&store, 1), Err(StoreError));
    }

    #[test]
    fn foreign_bytes_give_no_parameter() {
        let store = MemoryStore::default();
        store.swap(names::PROXY_NAME, &[0xff], None).unwrap();
        assert_eq!(parameter(&store, 1), Ok(String::new()));
    }
}
