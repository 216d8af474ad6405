//! Output sizes learned from settled requests, for each key and model.
//!
//! A reservation without a declared cap needs to know how long answers usually are. What is kept is an
//! upper envelope rather than a mean: it follows a longer answer half of the way at once and a shorter one
//! slowly, so that most reservations suffice. A wrong one only costs a wait: settlement puts it right.
//!
//! Only answers that the upstream gave are learned from, so that a client cannot fill the store with
//! models that do not exist.

use crate::ident::KeyId;
use crate::ledger::{CounterStore, StoreError, SwapError};
use crate::model::ModelId;

/// Lost swaps are not worth more than this: the other worker has learned.
const TRIES: u32 = 3;

fn name(key: &KeyId, model: &ModelId) -> Vec<u8> {
    [
        b"o/",
        key.as_str().as_bytes(),
        b"/",
        model.as_str().as_bytes(),
    ]
    .concat()
}

fn decode(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// The output, in tokens, to expect of one answer; `None` where nothing was learned.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn expected(
    store: &impl CounterStore,
    key: &KeyId,
    model: &ModelId,
) -> Result<Option<u64>, StoreError> {
    Ok(store
        .get(&name(key, model))?
        .and_then(|(bytes, _)| decode(&bytes)))
}

/// Learns from one answer of `output` tokens.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn learn(
    store: &impl CounterStore,
    key: &KeyId,
    model: &ModelId,
    output: u64,
) -> Result<(), StoreError> {
    let name = name(key, model);
    for _ in 0..TRIES {
        let read = store.get(&name)?;
        let known = read.as_ref().and_then(|(bytes, _)| decode(bytes));
        let next = known.map_or(output, |known| follow(known, output));
        if known == Some(next) {
            return Ok(());
        }
        match store.swap(&name, &next.to_le_bytes(), read.map(|(_, v)| v)) {
            Ok(()) => return Ok(()),
            Err(SwapError::Lost) => {}
            Err(SwapError::Store(e)) => return Err(e),
        }
    }
    Ok(())
}

fn follow(known: u64, output: u64) -> u64 {
    if output >= known {
        known.saturating_add(output.saturating_sub(known).div_ceil(2))
    } else {
        known.saturating_sub(known.saturating_sub(output).div_ceil(16))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::memory::MemoryStore;

    fn names() -> (KeyId, ModelId) {
        (
            KeyId::new("key_1").unwrap(),
            ModelId::new("gpt-4o").unwrap(),
        )
    }

    #[test]
    fn it_rises_fast_and_falls_slowly() {
        let store = MemoryStore::default();
        let (key, model) = names();
        assert_eq!(expected(&store, &key, &model), Ok(None));
        for (output, known) in [(100, 100), (300, 200), (200, 200), (40, 190), (0, 178)] {
            learn(&store, &key, &model, output).unwrap();
            assert_eq!(
                expected(&store, &key, &model),
                Ok(Some(known)),
                "after {output}"
            );
        }
        let other = ModelId::new("gpt-4o-mini").unwrap();
        assert_eq!(expected(&store, &key, &other), Ok(None));
    }

    proptest! {
        #[test]
        fn it_stays_between_the_shortest_and_the_longest_and_arrives(
            outputs in proptest::collection::vec(0u64..100_000, 1..50), last in 0u64..100_000,
        ) {
            let store = MemoryStore::default();
            let (key, model) = names();
            for output in &outputs {
                learn(&store, &key, &model, *output).unwrap();
                let now = expected(&store, &key, &model).unwrap().unwrap();
                prop_assert!(outputs.iter().min().unwrap() <= &now && &now <= outputs.iter().max().unwrap());
            }
            for _ in 0..400 { learn(&store, &key, &model, last).unwrap(); }
            prop_assert_eq!(expected(&store, &key, &model), Ok(Some(last)));
        }
    }
}
