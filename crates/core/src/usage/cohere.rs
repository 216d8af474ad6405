//! Cohere's chat and rerank: `billed_units` in `meta` or in `usage`.
//!
//! Rerank bills search units, which are no tokens: without token counts it is estimated.

use super::report::{Field, Report};
use super::schema::{Members, Schema};
use super::tokens::Tokens;

/// `meta` of a rerank or an embedding.
pub(super) const META: Schema = Schema::Object(&[("billed_units", Schema::Object(BILLED_UNITS))]);

/// What is billed.
pub(super) const BILLED_UNITS: Members = &[
    ("input_tokens", Schema::Count(Field::BilledInput)),
    ("output_tokens", Schema::Count(Field::BilledOutput)),
];

/// `message` of a whole answer. Also that of Ollama, whose content is a string.
pub(super) const MESSAGE: Schema = Schema::Part(&[
    (
        "content",
        Schema::Any(&[Schema::Text, Schema::List(&Schema::Object(TEXT))]),
    ),
    ("thinking", Schema::Text),
    ("tool_plan", Schema::Text),
    ("tool_calls", Schema::List(&TOOL_CALL)),
]);

/// `delta.message` of an event.
pub(super) const MESSAGE_DELTA: Schema = Schema::Object(&[
    ("content", Schema::Object(TEXT)),
    ("tool_plan", Schema::Text),
    ("tool_calls", TOOL_CALL),
]);

const TEXT: Members = &[("text", Schema::Text), ("thinking", Schema::Text)];

const TOOL_CALL: Schema = Schema::Object(&[(
    "function",
    Schema::Object(&[("name", Schema::Text), ("arguments", Schema::Text)]),
)]);

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::BilledInput)
        .or(report.get(Field::BilledOutput))?;
    Some(Tokens::of(
        report.or_zero(Field::BilledInput),
        report.or_zero(Field::BilledOutput),
    ))
}
