//! The name under which this process acknowledges to the key service what it has applied.
//!
//! It is drawn once and kept in the store, so that all workers use one name and it outlives a worker that dies.

use crate::shared::{Change, CounterStore, Retry, StoreError, names, update};

/// What is kept: a parameter of the poll's query, with the name as its value.
const PARAMETER: &str = "&proxy=";

/// The name, as a parameter to append to a poll's query (`&proxy=envoy-…`). Where none is kept yet, it is made of `drawn`, a random
/// number; another worker may have been first.
///
/// # Errors
/// [`StoreError`] if the store fails or every swap was lost.
pub fn parameter(store: &impl CounterStore, drawn: u64) -> Result<String, StoreError> {
    let name = update(store, names::PROXY_NAME, Retry::Briefly, |kept| {
        match kept {
            // Nobody else writes here; what is no text names nothing.
            Some(kept) => Change::Keep(String::from_utf8(kept.to_vec()).unwrap_or_default()),
            None => {
                let name = format!("{PARAMETER}envoy-{drawn:016x}");
                Change::Write(name.clone().into_bytes(), name)
            }
        }
    });
    Ok(name?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::memory::MemoryStore;

    #[test]
    fn it_is_drawn_once_and_the_first_to_write_names_the_process() {
        let store = MemoryStore::default();
        let first = parameter(&store, 0xabc).unwrap();
        assert_eq!(first, "&proxy=envoy-0000000000000abc");
        assert_eq!(parameter(&store, 0xdef), Ok(first));
        assert_eq!(store.swaps.get(), 1);
    }

    #[test]
    fn a_worker_that_was_not_first_takes_the_other_name() {
        let store = MemoryStore::default();
        store.lose_next.set(1);
        assert!(parameter(&store, 1).is_ok(), "it tries again");
        store.broken.set(true);
        assert_eq!(parameter(&store, 1), Err(StoreError));
    }

    #[test]
    fn foreign_bytes_name_nothing() {
        let store = MemoryStore::default();
        store.swap(names::PROXY_NAME, &[0xff], None).unwrap();
        assert_eq!(parameter(&store, 1), Ok(String::new()));
    }
}
