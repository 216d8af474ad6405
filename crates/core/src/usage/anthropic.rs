//! Anthropic's messages: `input_tokens` *without* what the cache read or wrote, which is added here.
//!
//! A stream reports in `message_start.message.usage` and, cumulatively, in `message_delta.usage`; the
//! walker keeps the largest of each field.

use super::counts::USAGE;
use super::kind::TokenKind;
use super::report::{Field, Report};
use super::schema::{Members, Schema};
use super::tokens::Tokens;

/// The `message` of `message_start`, whose content is still empty.
pub(super) const MESSAGE_START: Schema = Schema::Part(&[("usage", Schema::Object(USAGE))]);

/// `content_block` of `content_block_start`: the name of a tool, the rest comes in deltas.
pub(super) const CONTENT_BLOCK_START: Schema =
    Schema::Part(&[("text", Schema::Text), ("name", Schema::Text)]);

/// `delta` of a `content_block_delta`; a signature is none of the model's output, and a citation quotes the
/// prompt. Also Cohere's.
pub(super) const DELTA: Schema = Schema::Open(&[
    ("type", Schema::Nothing),
    ("signature", Schema::Nothing),
    ("citation", Schema::Nothing),
    ("stop_reason", Schema::Nothing),
    ("stop_sequence", Schema::Nothing),
    ("finish_reason", Schema::Nothing),
    ("container", Schema::Nothing),
    ("text", Schema::Text),
    ("partial_json", Schema::Text),
    ("thinking", Schema::Text),
    ("usage", Schema::Object(USAGE)),
    ("message", super::cohere::MESSAGE_DELTA),
]);

/// A block of a whole message's `content`.
pub(super) const CONTENT_BLOCK: Members = &[
    ("text", Schema::Text),
    ("thinking", Schema::Text),
    ("name", Schema::Text),
    ("input", Schema::Text),
];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    let read = report.get(Field::CacheRead);
    let written = report.get(Field::CacheCreation);
    read.or(written)?;
    let plain = super::responses::tokens(report)?;
    let (read, written) = (read.unwrap_or(0), written.unwrap_or(0));
    let input = plain.input().saturating_add(read).saturating_add(written);
    Some(
        plain
            .with(TokenKind::Input, input)
            .with(TokenKind::CachedInput, read)
            .with(TokenKind::CacheWrite, written),
    )
}
