//! Keys that the service does not know, kept for a limited time.
//!
//! Clients can send any number of keys that do not exist, and the store cannot delete. So there is a fixed number of
//! places, chosen by the first bytes of the digest, and a later key replaces an earlier one. A key that was replaced is
//! asked about again.

use super::VERSION;
use crate::key::KeyDigest;
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::time::Nanos;

/// Stores that the service answered "no such key" at `now`.
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
        // Another worker has just written to this place.
        Err(SwapError::Lost) => Ok(()),
        other => Ok(other?),
    }
}

/// When the service last answered "no such key" for this key, if that is stored.
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
