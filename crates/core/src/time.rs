//! Instants and spans. In core, time is an argument.
//!
//! Limits go by a monotonic clock, so that a step of the wall clock changes none of them. Expiry, and stamps that people
//! read, go by the wall clock.

/// A monotonic instant or a span, in nanoseconds.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

/// Nanoseconds in a minute.
pub const MINUTE: Nanos = 60 * SECOND;

/// The present, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For limits: monotonic, the same for all workers of a process.
    pub monotonic: Nanos,
    /// For expiry and for people: milliseconds since the Unix epoch.
    pub wall_millis: u64,
}
