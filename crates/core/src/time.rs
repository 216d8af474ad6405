//! Instants and spans. In core, time is an argument.
//!
//! Limits use a monotonic clock, so that a step of the wall clock does not change them. Expiry and timestamps use the
//! wall clock.

/// A monotonic instant or a span, in nanoseconds.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

/// Nanoseconds in a minute.
pub const MINUTE: Nanos = 60 * SECOND;

/// The current time on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock, for limits. It is the same for all workers of a process.
    pub monotonic: Nanos,
    /// The wall clock, for expiry and timestamps, in milliseconds since the Unix epoch.
    pub wall_millis: u64,
}
