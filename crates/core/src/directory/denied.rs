//! Keys that the service does not know, remembered for a while.
//!
//! Anybody can ask about keys that do not exist, and the store cannot delete: so these have a fixed number of
//! places, by the first bytes of the digest, and a later one takes the place of an earlier. What is forgotten so
//! is asked about again.

use super::codec::{Reader, words};
use crate::key::KeyDigest;
use crate::limiter::{CounterStore, StoreError, SwapError};
use crate::time::Nanos;

/// 65,536 places.
fn name(digest: &KeyDigest) -> Vec<u8> {
    let place = digest
        .as_bytes()
        .first_chunk::<2>()
        .copied()
        .unwrap_or_default();
    [b"n/", place.as_slice()].concat()
}

/// Remembers that the service said at `now` that there is no such key.
pub(super) fn note(
    store: &impl CounterStore,
    digest: &KeyDigest,
    now: Nanos,
) -> Result<(), StoreError> {
    let mut value = words([now]);
    value.extend_from_slice(digest.as_bytes());
    let at = store.get(&name(digest))?.map(|(_, version)| version);
    match store.swap(&name(digest), &value, at) {
        // Another worker has just noted a key in this place.
        Ok(()) | Err(SwapError::Lost) => Ok(()),
        Err(SwapError::Store(e)) => Err(e),
    }
}

/// When the service said so of this key, if that is remembered.
pub(super) fn asked_at(
    store: &impl CounterStore,
    digest: &KeyDigest,
) -> Result<Option<Nanos>, StoreError> {
    let read = store.get(&name(digest))?;
    Ok(read.and_then(|(bytes, _)| {
        let mut r = Reader::new(&bytes)?;
        let at = r.u64()?;
        (r.rest() == digest.as_bytes()).then_some(at)
    }))
}
