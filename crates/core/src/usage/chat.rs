//! OpenAI's chat completions, completions and embeddings, and the many that speak them.
//!
//! `usage.{prompt,completion,total}_tokens`; details are *of* these, except that xAI leaves reasoning out
//! of the completion but in the total. Moonshot reports within the choice, Groq under `x_groq` too.

use super::place::{Members, Place, USAGE};
use super::report::{Field, Report};
use super::tokens::Tokens;

/// `choices` of a chunk.
pub(super) const CHOICES_STREAMED: Place = Place::Choices(&Place::Object(&[
    ("delta", Place::Open(MESSAGE)),
    ("text", Place::Text),
    ("logprobs", LOGPROBS),
    ("usage", Place::Object(USAGE)),
]));

/// `choices` of a whole answer.
pub(super) const CHOICES_WHOLE: Place = Place::Choices(&Place::Object(&[
    ("message", Place::Open(MESSAGE)),
    ("text", Place::Text),
    ("logprobs", LOGPROBS),
    ("usage", Place::Object(USAGE)),
]));

/// Groq's last chunk.
pub(super) const X_GROQ: Place = Place::Object(&[("usage", Place::Object(USAGE))]);

/// Of chat completions, then of the older completions.
const LOGPROBS: Place = Place::Object(&[
    ("content", Place::Tokens),
    ("refusal", Place::Tokens),
    ("tokens", Place::Tokens),
]);

/// A message or a part of one. `reasoning_details` repeats `reasoning`, LiteLLM's `thinking_blocks` and
/// `provider_specific_fields` too; annotations quote what was found.
const MESSAGE: Members = &[
    ("role", Place::Nothing),
    ("id", Place::Nothing),
    ("name", Place::Nothing),
    ("type", Place::Nothing),
    ("tool_call_id", Place::Nothing),
    ("reasoning_details", Place::Nothing),
    ("reasoning_signature", Place::Nothing),
    ("thinking_blocks", Place::Nothing),
    ("provider_specific_fields", Place::Nothing),
    ("annotations", Place::Nothing),
    ("images", Place::Blob),
    ("usage", Place::Nothing),
    ("content", CONTENT),
    ("reasoning_content", Place::Text),
    ("reasoning", Place::Text),
    ("refusal", Place::Text),
    (
        "tool_calls",
        Place::List(&Place::Object(&[
            ("function", Place::Object(FUNCTION)),
            (
                "custom",
                Place::Object(&[("name", Place::Text), ("input", Place::Text)]),
            ),
        ])),
    ),
    ("function_call", Place::Object(FUNCTION)),
    (
        "audio",
        Place::Object(&[("transcript", Place::Text), ("data", Place::Blob)]),
    ),
];

/// Text, or (Mistral) parts of it.
const CONTENT: Place = Place::Any(&[
    Place::Text,
    Place::List(&Place::Object(&[
        ("text", Place::Text),
        (
            "thinking",
            Place::Any(&[
                Place::Text,
                Place::List(&Place::Object(&[("text", Place::Text)])),
            ]),
        ),
    ])),
]);

const FUNCTION: Members = &[("name", Place::Text), ("arguments", Place::Text)];

/// What such a report says; nothing if it is of another shape.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::Prompt)
        .or(report.get(Field::Completion))?;
    Some(Tokens {
        input: report.or_zero(Field::Prompt),
        // Gateways that translate Anthropic's count its cached tokens into the prompt.
        cached_input: report
            .or_zero(Field::Cached)
            .max(report.or_zero(Field::CacheRead)),
        cache_write: report
            .or_zero(Field::CacheWrite)
            .max(report.or_zero(Field::CacheCreation)),
        audio_input: report.or_zero(Field::AudioInput),
        output: report.or_zero(Field::Completion),
        reasoning: report.or_zero(Field::Reasoning),
        audio_output: report.or_zero(Field::AudioOutput),
        total: report.or_zero(Field::Total),
    })
}
