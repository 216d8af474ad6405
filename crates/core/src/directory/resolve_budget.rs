//! The budget of questions: how often the process may ask the key service about keys and objects that it does not know.
//!
//! It is one bucket in the shared store, so that it holds over all workers.

use super::codec::{Reader, words};
use crate::limiter::gcra::{Limit, Tat};
use crate::limiter::{CounterStore, StoreError, SwapError};
use crate::time::Nanos;

const RESOLVES: &[u8] = b"d/resolves";

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
    use crate::limiter::memory::MemoryStore;
    use crate::time::SECOND;

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
