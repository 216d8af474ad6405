//! The loop that changes a value of the store: read, decide, write, and repeat if another writer was first.

use super::{CounterStore, SwapError};

/// The retry policy of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Until it is written, at most 1,000 attempts. For charges, refunds and settlements, which must not be dropped. A
    /// swap takes about a microsecond, and each loss means that another worker succeeded, so load alone does not reach
    /// the bound.
    UntilWritten,
    /// Up to 8 attempts. For values that a later answer repeats, and for requests that may be refused in doubt.
    Briefly,
    /// One attempt. For values where the first writer has written the same, or has won.
    Never,
}

impl Retry {
    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::UntilWritten => 1_000,
            Self::Briefly => 8,
            Self::Never => 1,
        }
    }
}

/// What to do with a value, and the result to return.
pub(crate) enum Change<T> {
    /// Replace the value.
    Write(Vec<u8>, T),
    /// Keep the value.
    Keep(T),
}

/// Changes the value of `key`. `decide` gets the stored bytes (`None` if never written). It is called again after every
/// lost swap, so it must have no side effects.
///
/// # Errors
/// [`SwapError::Lost`] if all attempts of `retry` were lost, [`SwapError::Store`] if the store fails. Nothing is
/// written in either case.
pub(crate) fn update<T>(
    store: &impl CounterStore,
    key: &[u8],
    retry: Retry,
    mut decide: impl FnMut(Option<&[u8]>) -> Change<T>,
) -> Result<T, SwapError> {
    for _ in 0..retry.attempts() {
        let read = store.get(key)?;
        let (value, outcome) = match decide(read.as_ref().map(|(bytes, _)| bytes.as_slice())) {
            Change::Write(value, outcome) => (value, outcome),
            Change::Keep(outcome) => return Ok(outcome),
        };
        match store.swap(key, &value, read.map(|(_, version)| version)) {
            Ok(()) => return Ok(outcome),
            Err(SwapError::Lost) => {}
            Err(failed @ SwapError::Store(_)) => return Err(failed),
        }
    }
    Err(SwapError::Lost)
}
