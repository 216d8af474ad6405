//! Filter state, which Envoy's access log, RBAC and other filters read as `wasm.NAME`, and what Envoy knows of a request.

use super::{Status, abi};

/// Sets one entry of the stream's filter state.
pub(crate) fn set(name: &str, value: &str) -> Result<(), Status> {
    abi::set_property(name.as_bytes(), value.as_bytes())
}

/// The request's protocol as Envoy names it, such as `HTTP/2`.
pub(crate) fn protocol() -> Result<Vec<u8>, Status> {
    abi::get_property(b"request\0protocol")
}
