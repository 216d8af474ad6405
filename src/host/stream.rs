//! One stream, as Envoy has it: its filter state (which the access log, RBAC and other filters read as `wasm.NAME`), what
//! Envoy knows of its request, and letting it go on.

use super::{Status, abi};

/// Sets one entry of the stream's filter state.
pub(crate) fn set(name: &str, value: &str) -> Result<(), Status> {
    abi::set_property(name.as_bytes(), value.as_bytes())
}

/// The client's address and port as Envoy knows them, after what `use_remote_address` and `xff_num_trusted_hops` say
/// of proxies in front; empty where the client has none.
pub(crate) fn client_address() -> Result<Vec<u8>, Status> {
    match abi::get_property(b"source\0address") {
        Err(Status::NOT_FOUND) => Ok(Vec::new()),
        read => read,
    }
}

/// The request's protocol as Envoy names it, such as `HTTP/2`.
pub(crate) fn protocol() -> Result<Vec<u8>, Status> {
    abi::get_property(b"request\0protocol")
}

/// Lets a request go on that was held for a callout.
pub(crate) fn continue_request() -> Result<(), Status> {
    abi::continue_request()
}
