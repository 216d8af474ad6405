//! On whose behalf the host is called.

use super::{Status, abi};

/// Calls the host on behalf of the root context `root`, then again for `stream`.
pub(crate) fn as_root<T>(root: u32, stream: u32, call: impl FnOnce() -> T) -> Result<T, Status> {
    abi::set_effective_context(root)?;
    let out = call();
    abi::set_effective_context(stream)?;
    Ok(out)
}
