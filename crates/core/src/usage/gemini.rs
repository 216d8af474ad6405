//! Gemini's `usageMetadata`, repeated by every chunk of a stream: the last is the whole.
//!
//! Thoughts stand beside the candidates, and what tools put into the prompt beside the prompt; both
//! are added here. Cached content is *of* the prompt.

use super::arithmetic::{self, Part};
use super::kind::TokenKind;
use super::report::{Field, Report};
use super::schema::{Members, Schema};
use super::tokens::Tokens;

/// `usageMetadata`.
pub(super) const USAGE_METADATA: Schema = Schema::Object(&[
    ("promptTokenCount", Schema::Count(Field::GeminiPrompt)),
    (
        "toolUsePromptTokenCount",
        Schema::Count(Field::GeminiToolPrompt),
    ),
    (
        "cachedContentTokenCount",
        Schema::Count(Field::GeminiCached),
    ),
    (
        "candidatesTokenCount",
        Schema::Count(Field::GeminiCandidates),
    ),
    ("thoughtsTokenCount", Schema::Count(Field::GeminiThoughts)),
    ("totalTokenCount", Schema::Count(Field::Total)),
]);

/// `candidates`: in a stream each chunk has the next parts.
pub(super) const CANDIDATES: Schema = Schema::List(&Schema::Object(&[(
    "content",
    Schema::Object(&[("parts", Schema::List(&Schema::Object(PART)))]),
)]));

const PART: Members = &[
    ("text", Schema::Text),
    ("functionCall", Schema::Text),
    ("executableCode", Schema::Object(&[("code", Schema::Text)])),
    ("inlineData", Schema::Blob),
];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::GeminiPrompt)
        .or(report.get(Field::GeminiCandidates))?;
    Some(arithmetic::tokens(
        report.or_zero(Field::GeminiPrompt),
        report.or_zero(Field::GeminiCandidates),
        report.or_zero(Field::Total),
        [
            Part::beside(TokenKind::Input, report.or_zero(Field::GeminiToolPrompt)),
            Part::inside(TokenKind::CachedInput, report.or_zero(Field::GeminiCached)),
            Part::beside(TokenKind::Reasoning, report.or_zero(Field::GeminiThoughts)),
        ],
    ))
}
