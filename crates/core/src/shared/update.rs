//! The one loop over a value of the store: read, decide, write, and again if another writer was first.

use super::{CounterStore, SwapError};

/// How often a swap is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Until it is written: for charges, refunds and settlements, which would be wrong for good if they were dropped.
    /// It ends after 1,000 attempts. A swap takes about a microsecond and each loss means that another worker got
    /// through, so load alone does not reach that.
    UntilWritten,
    /// Up to 8 attempts: for what the next answer says again, or what may be refused in doubt. A value that is
    /// written as fast as that is not worth more of a request's time.
    Briefly,
    /// One attempt: for values where whoever was first has written what this writer would have, or has won.
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

/// What to do with a value, and what to return.
pub(crate) enum Change<T> {
    /// Write this in its place.
    Write(Vec<u8>, T),
    /// Leave it as it is.
    Keep(T),
}

/// Changes the value under `key`. `decide` gets the bytes as they stand (`None` if never written) and is asked again
/// after every lost swap, so it must not act on anything else.
///
/// # Errors
/// [`SwapError::Lost`] if every attempt that `retry` allows was lost, [`SwapError::Store`] if the store fails. Nothing was
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
