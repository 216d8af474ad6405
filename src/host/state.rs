//! Filter state: what Envoy's access log, RBAC and other filters read as `wasm.NAME`.

use super::{Status, abi};

/// Sets one entry of the stream's filter state.
pub(crate) fn set(name: &str, value: &str) -> Result<(), Status> {
    abi::set_property(name.as_bytes(), value.as_bytes())
}
