//! The budget of questions: how often the process may ask the key service about unknown keys and objects.
//!
//! It is one bucket in the shared store, so that it holds for all workers together.

use super::VERSION;
use crate::limiter::gcra::{Limit, Tat};
use crate::shared::codec::{Reader, words};
use crate::shared::{Change, CounterStore, Retry, StoreError, SwapError, names, update};
use crate::time::Nanos;

/// Takes one question from `budget`. Returns whether it may be asked.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn may_ask(store: &impl CounterStore, budget: &Limit, now: Nanos) -> Result<bool, StoreError> {
    take(store, names::RESOLVE_BUDGET, budget, now)
}

/// As [`may_ask`], for a question of a key about its own account. It has a bucket of its own, so that such questions
/// cannot keep unknown keys from being asked about.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn may_ask_own(
    store: &impl CounterStore,
    budget: &Limit,
    now: Nanos,
) -> Result<bool, StoreError> {
    take(store, names::OWN_BUDGET, budget, now)
}

fn take(
    store: &impl CounterStore,
    name: &[u8],
    budget: &Limit,
    now: Nanos,
) -> Result<bool, StoreError> {
    let decode = |bytes: &[u8]| Reader::new(VERSION, bytes)?.u64();
    let asked = update(store, name, Retry::Briefly, |spent| {
        let tat = Tat(spent.and_then(decode).unwrap_or(0));
        match budget.take(tat, 1, now) {
            Ok(next) => Change::Write(words(VERSION, [next.0]), true),
            Err(_) => Change::Keep(false),
        }
    });
    match asked {
        // So many workers ask at once that the budget is nearly spent.
        Err(SwapError::Lost) => Ok(false),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::shared::memory::MemoryStore;
    use crate::time::SECOND;

    #[test]
    fn questions_are_bounded_by_their_budget() {
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
