//! How many keys the directory has records of. The store cannot list, so they are counted as they are written.
//!
//! It is for people only: nothing is decided by it. If a worker ends between writing keys and counting them, the number is
//! wrong until the next snapshot.

use super::{State, VERSION};
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};

/// How many keys have a record in the generation in force, revoked ones included.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn read(store: &impl CounterStore, state: &State) -> Result<u64, StoreError> {
    let stored = store.get(names::HELD)?;
    let counted = stored.and_then(|(bytes, _)| from_bytes(&bytes));
    Ok(counted
        .filter(|(generation, _)| *generation == state.generation)
        .map_or(0, |(_, count)| count))
}

/// Adds what was written to a generation. A newer generation starts at zero; what comes late for an older one does not
/// count.
pub(super) fn add(store: &impl CounterStore, generation: u64, more: i64) -> Result<(), StoreError> {
    if more == 0 {
        return Ok(());
    }
    let added = update(store, names::HELD, Retry::UntilWritten, |known| {
        let count = match known.and_then(from_bytes) {
            Some((of, _)) if of > generation => return Change::Keep(()),
            Some((of, count)) if of == generation => count,
            _ => 0,
        };
        let count = count.saturating_add_signed(more);
        Change::Write(words(VERSION, [generation, count]), ())
    });
    match added {
        // Only the number is lost, and the keys are written.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

fn from_bytes(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut r = Reader::new(VERSION, bytes)?;
    Some((r.u64()?, r.u64()?))
}
