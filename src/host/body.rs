//! Buffers: the plugin's configuration.

use super::{Status, abi};

const PLUGIN_CONFIGURATION: u32 = 7;

/// The plugin's configuration, `size` bytes as the callback said.
pub(crate) fn plugin_configuration(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(PLUGIN_CONFIGURATION, 0, size)
}
