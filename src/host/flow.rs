//! Letting a held stream go on.

use super::{Status, abi};

/// Lets a request go on that was held for a callout.
pub(crate) fn continue_request() -> Result<(), Status> {
    abi::continue_request()
}
