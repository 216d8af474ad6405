//! Shared data: a map that all workers of the process with the same `vm_id` share.

use gmtech_core::shared::{CounterStore, StoreError, SwapError, Version};

use super::{Envoy, Status, abi};

/// A version that no value has. A set with it succeeds only if the key is missing, so it is an atomic create-if-absent.
const ABSENT: u32 = u32::MAX;

impl CounterStore for Envoy {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
        match abi::get_shared_data(key) {
            Ok((value, version)) => Ok(Some((value, Version(version)))),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(_) => Err(StoreError),
        }
    }

    fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        match abi::set_shared_data(key, value, expected.map_or(ABSENT, |v| v.0)) {
            Ok(()) => Ok(()),
            Err(Status::CAS_MISMATCH) => Err(SwapError::Lost),
            Err(_) => Err(SwapError::Store(StoreError)),
        }
    }
}
