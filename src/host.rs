//! The host, as the filter sees it: one small facade over Envoy's proxy-wasm calls.
//!
//! The SDK's own wrappers panic on any status that they do not expect and on header bytes that are no
//! UTF-8, and a panic is a trap. Here every call returns [`Status`] or bytes; a family a file.

mod abi;
pub(crate) mod body;
pub(crate) mod callout;
pub(crate) mod headers;
pub(crate) mod reply;
mod shared_data;
pub(crate) mod stream;
pub(crate) mod system;
mod telemetry;

/// A status other than OK, as the host gave it (proxy-wasm ABI 0.2.1, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u32);

impl Status {
    pub(crate) const NOT_FOUND: Self = Self(1);
    pub(crate) const CAS_MISMATCH: Self = Self(8);
    /// None of the ABI's: what a callback needs is in use by another.
    pub(crate) const BUSY: Self = Self(u32::MAX - 1);
}

/// Envoy, as the ports of the core see it.
pub(crate) struct Envoy;

#[cfg(feature = "faults")]
thread_local! {
    /// Whether every host call is refused: what the tests' filter asks for.
    pub(crate) static REFUSING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// `Ok` for status 0.
fn check(status: u32) -> Result<(), Status> {
    #[cfg(feature = "faults")]
    if REFUSING.get() {
        return Err(Status(u32::MAX));
    }
    if status == 0 {
        Ok(())
    } else {
        Err(Status(status))
    }
}
