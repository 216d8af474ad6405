//! The host, as the filter sees it: one small facade over Envoy's proxy-wasm calls.
//!
//! The SDK's own wrappers panic on any status that they do not expect and on header bytes that are no
//! UTF-8, and a panic is a trap. Here every call returns [`Status`] or bytes; a family a file.

mod abi;
pub(crate) mod body;
pub(crate) mod callout;
pub(crate) mod headers;
pub(crate) mod metrics;
pub(crate) mod reply;
pub(crate) mod shared_data;
pub(crate) mod stream;
pub(crate) mod system;

/// A status other than OK, as the host gave it (proxy-wasm ABI 0.2.1, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u32);

impl Status {
    pub(crate) const NOT_FOUND: Self = Self(1);
    pub(crate) const CAS_MISMATCH: Self = Self(8);
}

/// `Ok` for status 0.
fn check(status: u32) -> Result<(), Status> {
    #[cfg(feature = "faults")]
    if crate::faults::refuses() {
        return Err(Status(u32::MAX));
    }
    if status == 0 {
        Ok(())
    } else {
        Err(Status(status))
    }
}
