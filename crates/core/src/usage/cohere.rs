//! Cohere's chat and rerank: `billed_units` in `meta` or in `usage`.
//!
//! Rerank bills search units, which are no tokens: without token counts it is estimated.

use super::place::{Members, Place};
use super::report::{Field, Report};
use super::tokens::Tokens;

/// `meta` of a rerank or an embedding.
pub(super) const META: Place = Place::Object(&[("billed_units", Place::Object(BILLED_UNITS))]);

/// What is billed.
pub(super) const BILLED_UNITS: Members = &[
    ("input_tokens", Place::Count(Field::BilledInput)),
    ("output_tokens", Place::Count(Field::BilledOutput)),
];

/// `message` of a whole answer.
pub(super) const MESSAGE: Place = Place::Part(&[
    ("content", Place::List(&Place::Object(TEXT))),
    ("tool_plan", Place::Text),
    ("tool_calls", Place::List(&TOOL_CALL)),
]);

/// `delta.message` of an event.
pub(super) const MESSAGE_DELTA: Place = Place::Object(&[
    ("content", Place::Object(TEXT)),
    ("tool_plan", Place::Text),
    ("tool_calls", TOOL_CALL),
]);

const TEXT: Members = &[("text", Place::Text), ("thinking", Place::Text)];

const TOOL_CALL: Place = Place::Object(&[(
    "function",
    Place::Object(&[("name", Place::Text), ("arguments", Place::Text)]),
)]);

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::BilledInput)
        .or(report.get(Field::BilledOutput))?;
    Some(Tokens {
        input: report.or_zero(Field::BilledInput),
        output: report.or_zero(Field::BilledOutput),
        ..Tokens::default()
    })
}
