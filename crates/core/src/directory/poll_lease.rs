//! The poll lease: which worker of the process polls the key service.
//!
//! It is one value of the shared store, so that it holds over all workers and outlives a VM that traps: a lease that is not
//! renewed comes free.

use super::codec::{Reader, words};
use crate::limiter::{CounterStore, StoreError, SwapError};
use crate::time::Nanos;

const LEASE: &[u8] = b"d/lease";

/// Takes or renews the lease for `holder`, until `span` from now. Whether it is held.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn take(
    store: &impl CounterStore,
    holder: u64,
    span: Nanos,
    now: Nanos,
) -> Result<bool, StoreError> {
    let read = store.get(LEASE)?;
    let decode = |bytes: &[u8]| {
        let mut r = Reader::new(bytes)?;
        Some((r.u64()?, r.u64()?))
    };
    if let Some((other, until)) = read.as_ref().and_then(|(bytes, _)| decode(bytes))
        && other != holder
        && until > now
    {
        return Ok(false);
    }
    let value = words([holder, now.saturating_add(span)]);
    match store.swap(LEASE, &value, read.map(|(_, v)| v)) {
        Ok(()) => Ok(true),
        Err(SwapError::Lost) => Ok(false),
        Err(SwapError::Store(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::memory::MemoryStore;
    use crate::time::SECOND;

    #[test]
    fn one_holds_the_lease_until_it_stops_renewing() {
        let store = MemoryStore::default();
        for (holder, now, held) in [
            (1, 0, true),
            (2, 1, false),
            (1, SECOND / 2, true),
            (2, SECOND, false),
            (2, SECOND * 3 / 2, true),
            (1, SECOND * 3 / 2 + 1, false),
        ] {
            assert_eq!(
                take(&store, holder, SECOND, now),
                Ok(held),
                "{holder} at {now}"
            );
        }
    }
}
