//! Envoy's clocks and randomness. The standard library's trap on this target.

use gmtech_core::time::Now;

use super::{Status, abi};

const MILLI: u64 = 1_000_000;

/// Has the host call `on_tick` every `nanos` nanoseconds, to the millisecond.
pub(crate) fn tick_every(nanos: u64) -> Result<(), Status> {
    abi::set_tick_period(u32::try_from(nanos / MILLI).unwrap_or(u32::MAX))
}

/// The present by both clocks.
pub(crate) fn now() -> Result<Now, Status> {
    Ok(Now {
        monotonic: abi::monotonic_nanos()?,
        wall_millis: abi::wall_nanos()? / MILLI,
    })
}

/// Eight random bytes.
pub(crate) fn random_u64() -> Result<u64, Status> {
    abi::random_u64()
}
