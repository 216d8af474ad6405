//! Buffers: bodies and the plugin's configuration.

use gmtech_core::stream::{BodyEdits, REWRITE_MAX, Splice};

use super::{Status, abi};

/// A buffer.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    /// The request's body: all of it while it is held, otherwise the chunk of this callback.
    Request = 0,
    /// The response's body, likewise.
    Response = 1,
}

const CALL_RESPONSE: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;

/// Reads the body of a callout's answer. `size` is from the callback.
pub(crate) fn call_response(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(CALL_RESPONSE, 0, size)
}

/// Reads the plugin's configuration. `size` is from the callback.
pub(crate) fn plugin_configuration(size: usize) -> Result<Vec<u8>, Status> {
    if size == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(PLUGIN_CONFIGURATION, 0, size)
}

/// Reads `len` bytes from `start`.
pub(crate) fn read(buffer: Buffer, start: usize, len: usize) -> Result<Vec<u8>, Status> {
    if len == 0 {
        return Ok(Vec::new());
    }
    abi::get_buffer(buffer as u32, start, len)
}

/// Replaces the whole buffer by `bytes`. `len` is the buffer's length, from the callback.
pub(crate) fn replace(buffer: Buffer, len: usize, bytes: &[u8]) -> Result<(), Status> {
    abi::set_buffer(buffer as u32, 0, len, bytes)
}

/// Makes the edits of a held body. `chunk` is the range that was read last. If it is the whole body, the body is not
/// read again.
///
/// The host can replace the whole body or prepend to it. A large body is not assembled here: its last part replaces the
/// buffer, and the rest is prepended.
pub(crate) fn edit(buffer: Buffer, edits: &BodyEdits, chunk: Vec<u8>) -> Result<(), Status> {
    let all = |chunk: Vec<u8>| {
        if chunk.len() == edits.held {
            return Ok(chunk);
        }
        drop(chunk);
        read(buffer, 0, edits.held)
    };
    match &edits.splices[..] {
        [] => Ok(()),
        [
            Splice {
                at: 0,
                remove: 0,
                insert,
            },
        ] => prepend(buffer, insert),
        [splice] if edits.held > REWRITE_MAX || (splice.at == 0 && splice.insert.is_empty()) => {
            let body = all(chunk)?;
            let (before, after) = body.split_at_checked(splice.at).unwrap_or((&body, &[]));
            let after = after.get(splice.remove..).unwrap_or_default();
            replace(buffer, edits.held, after)?;
            match [before, &splice.insert].concat() {
                front if front.is_empty() => Ok(()),
                front => prepend(buffer, &front),
            }
        }
        splices => {
            let body = splices
                .iter()
                .try_fold(all(chunk)?, |body, splice| splice.apply(&body));
            body.map_or(Ok(()), |body| replace(buffer, edits.held, &body))
        }
    }
}

/// Prepends `bytes` to the buffer.
fn prepend(buffer: Buffer, bytes: &[u8]) -> Result<(), Status> {
    abi::set_buffer(buffer as u32, 0, 0, bytes)
}
