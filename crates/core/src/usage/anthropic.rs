//! Anthropic's messages: `input_tokens` *without* what the cache read or wrote, which is added here.
//!
//! A stream reports in `message_start.message.usage` and, cumulatively, in `message_delta.usage`: what the later states
//! replaces the earlier ([`super::report`]).

use super::arithmetic::{self, Part};
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
///
/// `input_tokens` is what was neither read from the cache nor written to it
/// (<https://github.com/vllm-project/vllm/pull/40912>, 2026-04-26, cites the contract). Gateways that translate OpenAI's usage may count both
/// in it; then their total says so. Where a request took several turns, `iterations` has the usage of each. What is charged is
/// their sum: the counts beside it leave out a turn that compacted the conversation (a recorded answer of 2026-08-22 in
/// `tests/answers/anthropic.txt`).
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::CacheRead)
        .or(report.get(Field::CacheCreation))?;
    report.get(Field::Input).or(report.get(Field::Output))?;
    let answer = counts(
        report,
        [
            Field::Input,
            Field::CacheRead,
            Field::CacheCreation,
            Field::Output,
        ],
    );
    let turns = counts(
        report,
        [
            Field::TurnInput,
            Field::TurnRead,
            Field::TurnCreation,
            Field::TurnOutput,
        ],
    );
    let sum = |counts: &[u64]| counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
    let [input, read, written, output] = if sum(&turns) > sum(&answer) {
        turns
    } else {
        answer
    };
    let tokens = arithmetic::tokens(
        input,
        output,
        report.or_zero(Field::Total),
        [
            Part::beside(TokenKind::CachedInput, read),
            Part::beside(TokenKind::CacheWrite, written),
            report.reasoning(),
        ],
    );
    Some(report.with_audio(tokens))
}

fn counts(report: &Report, fields: [Field; 4]) -> [u64; 4] {
    fields.map(|field| report.or_zero(field))
}
