//! The host's randomness.

use super::{Status, abi};

/// Eight random bytes.
pub(crate) fn u64() -> Result<u64, Status> {
    abi::random_u64()
}
