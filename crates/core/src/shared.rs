//! Shared counters: the table that all workers of a process read and write.
//!
//! What it is: the store as a trait ([`CounterStore`]), the loop that changes a value (`update`) with its retry
//! policy (`Retry`), the key of every value (`names`), and the form of most values (`codec`).
//!
//! What it is not: it does not interpret values. [`crate::limiter`], [`crate::directory`], [`crate::objects`] and
//! [`crate::output_forecast`] do.
//!
//! The store can neither list nor delete.
//!
//! # Failure policy
//! A store that fails is [`StoreError`]. If all attempts of the retry policy are lost, the result is
//! [`SwapError::Lost`], and the caller decides whether that is a failure.

pub(crate) mod codec;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod names;
mod update;

pub(crate) use update::{Change, Retry, update};

/// A token for compare-and-swap: the version of a value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u32);

/// The store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the counter store failed")]
pub struct StoreError;

/// Why a value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SwapError {
    /// Another writer was first.
    #[error("the value was changed meanwhile")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// For callers that treat a lost swap as a failure of the store.
impl From<SwapError> for StoreError {
    fn from(_: SwapError) -> Self {
        Self
    }
}

/// A store of values with compare-and-swap. [`crate::limiter`] has an example.
pub trait CounterStore {
    /// Returns the value of `key` and its version; `None` if it was never written.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError>;

    /// Writes `value` if the stored version is `expected`, or if there is no value and `expected` is `None`.
    ///
    /// # Errors
    /// [`SwapError::Lost`] if another writer has changed the value, [`SwapError::Store`] if the store fails.
    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError>;
}

#[cfg(test)]
mod tests;
