//! Shared counters: the one table that all workers of a process read and write.
//!
//! What it is: the store as a trait ([`CounterStore`]: get, and swap by compare-and-swap), the one loop that changes a
//! value ([`update`]), how often it tries again ([`Retry`]), the name of every value ([`names`]) and the words that most
//! values are made of ([`codec`]). What a value means is said where it is used: [`crate::limiter`], [`crate::directory`],
//! [`crate::objects`], [`crate::output_forecast`].
//!
//! The store can neither list nor delete.
//!
//! # Failure policy
//! A store that fails is [`StoreError`]. Swaps that are lost as often as the policy allows are [`SwapError::Lost`]: the
//! caller says whether that is a failure or good enough.

pub(crate) mod codec;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod names;
mod update;

pub(crate) use update::{Change, Retry, update};

/// A token for compare-and-swap: the version of a value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u32);

/// The store cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the counter store cannot serve")]
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

/// For callers to whom a value that was not written is a failure, whatever the reason.
impl From<SwapError> for StoreError {
    fn from(_: SwapError) -> Self {
        Self
    }
}

/// Shared values with compare-and-swap.
pub trait CounterStore {
    /// The value under `key` and its version; `None` if it was never written.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError>;

    /// Writes `value` if the value is still at `expected`, or still absent for `None`.
    ///
    /// # Errors
    /// [`SwapError::Lost`] if it is not.
    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError>;
}

#[cfg(test)]
mod tests;
