//! Buffers: bodies, and the plugin's configuration.

use gmtech_core::stream::{BodyEdits, REWRITE_MAX, Splice};

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

/// Makes the edits of a held body. `chunk` is what was read of it last: where that is all of it, it is not read again.
///
/// The host can replace the whole and add in front, nothing between. What is large is not put together here: its end is
/// what is replaced, and the rest is added in front.
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

/// Puts `bytes` in front of the buffer.
fn prepend(buffer: Buffer, bytes: &[u8]) -> Result<(), Status> {
    abi::set_buffer(buffer as u32, 0, 0, bytes)
}
