//! OpenAI's responses, images and transcriptions: `usage.{input,output,total}_tokens`.
//!
//! A stream's text comes in `delta` strings and is repeated by `…done` events and the final response; only
//! the deltas count as streamed. The report stands in `response.usage` of the last event.

use super::arithmetic;
use super::counts::USAGE;
use super::report::{Field, Report};
use super::schema::{Members, Names, Schema};
use super::tokens::Tokens;

/// The response that an event carries: its report and its end, not the text that it repeats.
pub(super) const RESPONSE: Schema = Schema::Part(&[
    ("id", Schema::Id(Names::Itself)),
    ("usage", Schema::Object(USAGE)),
    ("error", Schema::Error),
]);

/// `output` of a whole response.
pub(super) const OUTPUT: Schema = Schema::List(&Schema::Object(&[
    ("content", Schema::List(&Schema::Object(PART))),
    ("summary", Schema::List(&Schema::Object(PART))),
    // A tool call's.
    ("name", Schema::Text),
    ("arguments", Schema::Text),
    ("input", Schema::Text),
    // An image's.
    ("result", Schema::Blob),
]));

const PART: Members = &[("text", Schema::Text), ("refusal", Schema::Text)];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report.get(Field::Input).or(report.get(Field::Output))?;
    let [read, written] = report.cached();
    let tokens = arithmetic::tokens(
        report.or_zero(Field::Input),
        report.or_zero(Field::Output),
        report.or_zero(Field::Total),
        [read, written, report.reasoning()],
    );
    Some(report.with_audio(tokens))
}
