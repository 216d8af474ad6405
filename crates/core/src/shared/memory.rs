//! A counter store in memory for tests. It can lose swaps and fail on request.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::{CounterStore, StoreError, SwapError, Version};

/// A value, and how often it was written.
type Versioned = (Vec<u8>, u32);

/// A store in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    values: RefCell<HashMap<Vec<u8>, Versioned>>,
    /// How many of the next swaps will be lost.
    pub(crate) lose_next: Cell<u32>,
    /// How many swaps were made.
    pub(crate) swaps: Cell<u32>,
    /// Whether every call fails.
    pub(crate) broken: Cell<bool>,
}

impl MemoryStore {
    /// How many values it holds.
    pub(crate) fn len(&self) -> usize {
        self.values.borrow().len()
    }
}

impl CounterStore for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        if self.broken.get() {
            return Err(StoreError);
        }
        let values = self.values.borrow();
        Ok(values.get(key).map(|(v, n)| (v.clone(), Version(*n))))
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        if self.broken.get() {
            return Err(SwapError::Store(StoreError));
        }
        let mut values = self.values.borrow_mut();
        if self.lose_next.get() > 0 {
            self.lose_next.set(self.lose_next.get() - 1);
            return Err(SwapError::Lost);
        }
        let at = values.get(key).map(|(_, n)| Version(*n));
        if at != expected {
            return Err(SwapError::Lost);
        }
        self.swaps.set(self.swaps.get() + 1);
        let next = at.map_or(1, |v| v.0 + 1);
        values.insert(key.to_vec(), (value.to_vec(), next));
        Ok(())
    }
}

/// A store in which the value of this name can be read but not written.
pub(crate) struct FailsToWrite<'a>(pub(crate) &'a MemoryStore, pub(crate) &'a [u8]);

impl CounterStore for FailsToWrite<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        self.0.get(key)
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        if key == self.1 {
            return Err(SwapError::Store(StoreError));
        }
        self.0.swap(key, value, expected)
    }
}
