//! The host: a facade over Envoy's proxy-wasm calls.
//!
//! The SDK's wrappers panic on an unexpected status and on header bytes that are not UTF-8, and a panic is a trap. Here
//! every call returns a [`Status`] or a value. Each file has one family of calls.

mod abi;
pub(crate) mod body;
pub(crate) mod callout;
pub(crate) mod headers;
pub(crate) mod reply;
mod shared_data;
pub(crate) mod stream;
pub(crate) mod system;
mod telemetry;

/// A status of the host other than OK (proxy-wasm ABI 0.2.1, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u32);

impl Status {
    pub(crate) const NOT_FOUND: Self = Self(1);
    pub(crate) const CAS_MISMATCH: Self = Self(8);
    /// The agent is in use by another callback. This status is not one of the ABI's.
    pub(crate) const BUSY: Self = Self(u32::MAX - 1);
}

/// Envoy as a host of the core.
pub(crate) struct Envoy;

#[cfg(feature = "faults")]
thread_local! {
    /// Whether every host call fails, as requested by a test.
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
