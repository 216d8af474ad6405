//! What a meter is told of an answer, and what it says of it.

use super::tokens::Usage;
use super::unread::Unread;

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`, as it came.
    pub content_type: Option<&'a [u8]>,
    /// `content-encoding`, as it came.
    pub content_encoding: Option<&'a [u8]>,
}

/// What was decided about the answer when the request was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterPlan {
    /// Tokens of the prompt, as estimated; stands in where the answer does not tell.
    pub prompt_estimate: u64,
    /// Tokens of the output, as reserved; stands in where the answer cannot be read at all and its bytes are fewer.
    pub output_estimate: u64,
    /// Whether a model generates the answer; not so with embeddings, whose bytes are no output.
    pub generates: bool,
    /// Whether the usage event of a stream was asked for by the gate alone and is to be taken out.
    pub drop_usage_event: bool,
}

/// What to forward in place of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// The chunk as it came.
    Unchanged,
    /// These bytes, possibly none.
    Replaced(Vec<u8>),
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its end of stream, or by trailers.
    Complete,
    /// The client hung up, or the upstream did.
    Cut,
}

/// What a meter came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Metered {
    /// Bytes held back that are still to be forwarded, unless the stream was cut.
    pub tail: Vec<u8>,
    /// What the answer used.
    pub usage: Usage,
    /// Why the answer was charged by what passed, if its usage was not read.
    pub unread: Option<Unread>,
}
