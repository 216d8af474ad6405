//! Envoy's clocks and random numbers. Those of the standard library trap on this target.

use gmtech_core::time::Now;

use super::{Status, abi};

const MILLI: u64 = 1_000_000;

/// Makes the host call `on_tick` every `nanos` nanoseconds, cut to milliseconds.
pub(crate) fn tick_every(nanos: u64) -> Result<(), Status> {
    abi::set_tick_period(u32::try_from(nanos / MILLI).unwrap_or(u32::MAX))
}

/// The current time on both clocks.
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
