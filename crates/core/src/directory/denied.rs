//! Keys that the service does not know, remembered for a while.
//!
//! Anybody can ask about keys that do not exist, and the store cannot delete: so these have a fixed number of
//! places, by the first bytes of the digest, and a later one takes the place of an earlier. What is forgotten so
//! is asked about again.

use super::VERSION;
use crate::key::KeyDigest;
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::time::Nanos;

/// Remembers that the service said at `now` that there is no such key.
pub(super) fn note(
    store: &impl CounterStore,
    digest: &KeyDigest,
    now: Nanos,
) -> Result<(), StoreError> {
    let noted = update(store, &names::unknown_key(digest), Retry::Never, |_| {
        let mut value = words(VERSION, [now]);
        value.extend_from_slice(digest.as_bytes());
        Change::Write(value, ())
    });
    match noted {
        // Another worker has just noted a key in this place.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

/// When the service said so of this key, if that is remembered.
pub(super) fn asked_at(
    store: &impl CounterStore,
    digest: &KeyDigest,
) -> Result<Option<Nanos>, StoreError> {
    let read = store.get(&names::unknown_key(digest))?;
    Ok(read.and_then(|(bytes, _)| {
        let mut r = Reader::new(VERSION, &bytes)?;
        let at = r.u64()?;
        (r.rest() == digest.as_bytes()).then_some(at)
    }))
}
