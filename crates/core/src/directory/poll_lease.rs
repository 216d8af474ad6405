//! The poll lease: which worker of the process polls the key service.
//!
//! It is one value of the shared store, so that it holds for all workers and outlives each of them. A lease that is not
//! renewed expires.

use super::VERSION;
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::time::Nanos;

/// Takes or renews the lease for `holder`, until `span` after `now`. Returns whether `holder` has the lease.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn take(
    store: &impl CounterStore,
    holder: u64,
    span: Nanos,
    now: Nanos,
) -> Result<bool, StoreError> {
    let decode = |bytes: &[u8]| {
        let mut r = Reader::new(VERSION, bytes)?;
        Some((r.u64()?, r.u64()?))
    };
    let taken = update(store, names::POLL_LEASE, Retry::Never, |held| {
        if let Some((other, until)) = held.and_then(decode)
            && other != holder
            && until > now
        {
            return Change::Keep(false);
        }
        let until = now.saturating_add(span);
        Change::Write(words(VERSION, [holder, until]), true)
    });
    match taken {
        // Another worker has just taken it.
        Err(SwapError::Lost) => Ok(false),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::memory::MemoryStore;
    use crate::time::SECOND;

    #[test]
    fn one_worker_holds_the_lease_until_it_stops_renewing() {
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
