//! Turns: which worker polls the service, and how often anybody may ask it about one key.
//!
//! Both are single values of the shared store, so that they hold over all workers and outlive a VM that traps:
//! a lease that is not renewed comes free, and the budget for questions is a bucket like any other.

use super::codec::{Reader, words};
use crate::ledger::{CounterStore, StoreError, SwapError};
use crate::quota::{Limit, Nanos, Tat};

const LEASE: &[u8] = b"d/lease";
const RESOLVES: &[u8] = b"d/resolves";

/// Takes or renews the poller's lease for `holder`, until `span` from now. Whether it is held.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn lease(
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

/// Whether one more question about a key may be asked now, within `budget`.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn may_ask(store: &impl CounterStore, budget: &Limit, now: Nanos) -> Result<bool, StoreError> {
    const TRIES: u32 = 8;
    for _ in 0..TRIES {
        let read = store.get(RESOLVES)?;
        let tat = read
            .as_ref()
            .and_then(|(bytes, _)| Reader::new(bytes)?.u64());
        let Ok(next) = budget.take(Tat(tat.unwrap_or(0)), 1, now) else {
            return Ok(false);
        };
        match store.swap(RESOLVES, &words([next.0]), read.map(|(_, v)| v)) {
            Ok(()) => return Ok(true),
            Err(SwapError::Lost) => {}
            Err(SwapError::Store(e)) => return Err(e),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::ledger::memory::MemoryStore;
    use crate::quota::SECOND;

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
                lease(&store, holder, SECOND, now),
                Ok(held),
                "{holder} at {now}"
            );
        }
    }

    #[test]
    fn questions_keep_to_their_budget() {
        let store = MemoryStore::default();
        let per_second = NonZeroU32::new(4).unwrap();
        let budget = Limit::per_minute(NonZeroU32::new(240).unwrap()).with_burst(per_second);
        let asked = |now| {
            (0..10)
                .filter(|_| may_ask(&store, &budget, now).unwrap())
                .count()
        };
        assert_eq!(asked(SECOND), 4);
        assert_eq!(asked(SECOND), 0);
        assert_eq!(asked(2 * SECOND), 4);
    }
}
