//! The reader as a whole: tables of accepted and refused bodies, and properties that hold for any body.

mod bodies;
mod differential;
mod edges;
mod endpoints;
mod forms;
mod laws;
mod operations;
mod other_models;
mod prompts;
mod usage;

use super::*;

const CHAT: &str = "/v1/chat/completions";

/// Reads `body` in the given pieces, as POST to `path`.
fn read_pieces<'a>(
    path: &str,
    content_type: Option<&str>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<RequestFacts, BodyError> {
    let endpoint = Endpoint::new(b"POST", path.as_bytes())?;
    let costs = PartCosts::default();
    let mut reader = BodyReader::new(endpoint, content_type.map(str::as_bytes), None, costs)?;
    for piece in pieces {
        reader.push(piece)?;
    }
    reader.finish()
}

/// Reads a whole JSON body.
fn read(path: &str, body: impl AsRef<[u8]>) -> Result<RequestFacts, BodyError> {
    read_pieces(path, Some("application/json"), [body.as_ref()])
}

/// Reads a whole JSON body of a chat completion.
fn chat(body: impl AsRef<[u8]>) -> Result<RequestFacts, BodyError> {
    read(CHAT, body)
}

/// Asserts that a body reads the same at every split in two, and one byte at a time.
fn assert_split_invariant(path: &str, content_type: Option<&str>, body: &[u8]) {
    let whole = read_pieces(path, content_type, [body]);
    let shown = String::from_utf8_lossy(body);
    for at in 0..=body.len() {
        let (head, tail) = body.split_at(at);
        assert_eq!(
            read_pieces(path, content_type, [head, tail]),
            whole,
            "{shown} cut at {at}"
        );
    }
    assert_eq!(
        read_pieces(path, content_type, body.chunks(1)),
        whole,
        "{shown} byte by byte"
    );
}
