//! Anthropic's messages: `input_tokens` *without* what the cache read or wrote, which is added here.
//!
//! A stream reports in `message_start.message.usage` and, cumulatively, in `message_delta.usage`; the
//! walker keeps the largest of each field.

use super::place::{Members, Place, USAGE};
use super::report::{Field, Report};
use super::tokens::Tokens;

/// The `message` of `message_start`, whose content is still empty.
pub(super) const MESSAGE_START: Place = Place::Part(&[("usage", Place::Object(USAGE))]);

/// `content_block` of `content_block_start`: the name of a tool, the rest comes in deltas.
pub(super) const CONTENT_BLOCK_START: Place =
    Place::Part(&[("text", Place::Text), ("name", Place::Text)]);

/// `delta` of a `content_block_delta`; a signature is none of the model's output, and a citation quotes the
/// prompt. Also Cohere's.
pub(super) const DELTA: Place = Place::Open(&[
    ("type", Place::Nothing),
    ("signature", Place::Nothing),
    ("citation", Place::Nothing),
    ("stop_reason", Place::Nothing),
    ("stop_sequence", Place::Nothing),
    ("finish_reason", Place::Nothing),
    ("container", Place::Nothing),
    ("text", Place::Text),
    ("partial_json", Place::Text),
    ("thinking", Place::Text),
    ("usage", Place::Object(USAGE)),
    ("message", super::cohere::MESSAGE_DELTA),
]);

/// A block of a whole message's `content`.
pub(super) const CONTENT_BLOCK: Members = &[
    ("text", Place::Text),
    ("thinking", Place::Text),
    ("name", Place::Text),
    ("input", Place::Text),
];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    let read = report.get(Field::CacheRead);
    let written = report.get(Field::CacheCreation);
    read.or(written)?;
    let plain = super::responses::tokens(report)?;
    let (read, written) = (read.unwrap_or(0), written.unwrap_or(0));
    Some(Tokens {
        input: plain.input.saturating_add(read).saturating_add(written),
        cached_input: read,
        cache_write: written,
        ..plain
    })
}
