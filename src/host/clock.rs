//! Envoy's clocks. The standard library's trap on this target.

use gmtech_core::exchange::Now;

use super::{Status, abi};

const SECOND: u64 = 1_000_000_000;

/// The present by both clocks.
pub(crate) fn now() -> Result<Now, Status> {
    Ok(Now {
        monotonic: abi::monotonic_nanos()?,
        wall_seconds: abi::wall_nanos()? / SECOND,
    })
}
