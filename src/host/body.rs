//! Buffers: bodies, and the plugin's configuration.

use super::{Status, abi};

/// Which buffer.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    /// The request's body: while it is held all of it, else the chunk of this callback.
    Request = 0,
    /// The response's body, likewise.
    Response = 1,
}

const CALL_RESPONSE: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;

/// The body of a callout's answer, `size` bytes as the callback said.
pub(crate) fn call_response(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(CALL_RESPONSE, 0, size)
}

/// The plugin's configuration, `size` bytes as the callback said.
pub(crate) fn plugin_configuration(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(PLUGIN_CONFIGURATION, 0, size)
}

/// `len` bytes from `start` on.
pub(crate) fn read(buffer: Buffer, start: usize, len: usize) -> Result<Vec<u8>, Status> {
    if len == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(buffer as u32, start, len)
}

/// Puts `bytes` in place of the whole buffer, `len` bytes as the callback said.
pub(crate) fn replace(buffer: Buffer, len: usize, bytes: &[u8]) -> Result<(), Status> {
    abi::set_buffer(buffer as u32, 0, len, bytes)
}

/// Puts `bytes` in front of the buffer. The host offers nothing between this and replacing the whole.
pub(crate) fn prepend(buffer: Buffer, bytes: &[u8]) -> Result<(), Status> {
    abi::set_buffer(buffer as u32, 0, 0, bytes)
}
