//! Gemini's `usageMetadata`, repeated by every chunk of a stream: the last is the whole.
//!
//! Thoughts stand beside the candidates, and what tools put into the prompt beside the prompt; both
//! are added here. Cached content is *of* the prompt.

use super::place::{Members, Place};
use super::report::{Field, Report};
use super::tokens::Tokens;

/// `usageMetadata`.
pub(super) const USAGE_METADATA: Place = Place::Object(&[
    ("promptTokenCount", Place::Count(Field::GeminiPrompt)),
    (
        "toolUsePromptTokenCount",
        Place::Count(Field::GeminiToolPrompt),
    ),
    ("cachedContentTokenCount", Place::Count(Field::GeminiCached)),
    (
        "candidatesTokenCount",
        Place::Count(Field::GeminiCandidates),
    ),
    ("thoughtsTokenCount", Place::Count(Field::GeminiThoughts)),
    ("totalTokenCount", Place::Count(Field::Total)),
]);

/// `candidates`: in a stream each chunk has the next parts.
pub(super) const CANDIDATES: Place = Place::List(&Place::Object(&[(
    "content",
    Place::Object(&[("parts", Place::List(&Place::Object(PART)))]),
)]));

const PART: Members = &[
    ("text", Place::Text),
    ("functionCall", Place::Text),
    ("executableCode", Place::Object(&[("code", Place::Text)])),
    ("inlineData", Place::Blob),
];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::GeminiPrompt)
        .or(report.get(Field::GeminiCandidates))?;
    let thoughts = report.or_zero(Field::GeminiThoughts);
    Some(Tokens {
        input: report
            .or_zero(Field::GeminiPrompt)
            .saturating_add(report.or_zero(Field::GeminiToolPrompt)),
        cached_input: report.or_zero(Field::GeminiCached),
        output: report
            .or_zero(Field::GeminiCandidates)
            .saturating_add(thoughts),
        reasoning: thoughts,
        total: report.or_zero(Field::Total),
        ..Tokens::default()
    })
}
