//! OpenAI's chat completions, completions and embeddings, and the many that speak them.
//!
//! `usage.{prompt,completion,total}_tokens`; details are *of* these, unless the total says otherwise ([`super::arithmetic`]): xAI
//! leaves reasoning out of the completion but in the total. Moonshot reports within the choice, Groq under `x_groq` too.

use super::arithmetic::{self, Part};
use super::counts::USAGE;
use super::kind::TokenKind;
use super::report::{Field, Report};
use super::schema::{Members, Schema};
use super::tokens::Tokens;

/// `choices` of a chunk.
pub(super) const CHOICES_STREAMED: Schema = Schema::Choices(&Schema::Object(&[
    ("delta", Schema::Open(MESSAGE)),
    ("message", MESSAGE_SO_FAR),
    ("text", Schema::Text),
    ("logprobs", LOGPROBS),
    ("usage", Schema::Object(USAGE)),
]));

/// `message` beside a `delta`: at Perplexity all of the answer so far. It counts where the chunk has no delta, as in a whole
/// answer that is sent as one event.
const MESSAGE_SO_FAR: Schema = Schema::Object(&[
    ("content", Schema::Loose),
    ("reasoning_content", Schema::Loose),
    ("reasoning", Schema::Loose),
    ("refusal", Schema::Loose),
    ("tool_calls", Schema::Loose),
]);

/// `choices` of a document that stands bare. A `delta` is that of a stream as NDJSON.
pub(super) const CHOICES_WHOLE: Schema = Schema::Choices(&Schema::Object(&[
    ("message", Schema::Open(MESSAGE)),
    ("delta", Schema::Open(MESSAGE)),
    ("text", Schema::Text),
    ("logprobs", LOGPROBS),
    ("usage", Schema::Object(USAGE)),
]));

/// Groq's last chunk.
pub(super) const X_GROQ: Schema = Schema::Object(&[("usage", Schema::Object(USAGE))]);

/// Of chat completions, then of the older completions.
const LOGPROBS: Schema = Schema::Object(&[
    ("content", Schema::Tokens),
    ("refusal", Schema::Tokens),
    ("tokens", Schema::Tokens),
]);

/// A message or a part of one. `reasoning_details` repeats `reasoning`, LiteLLM's `thinking_blocks` and
/// `provider_specific_fields` too; annotations quote what was found.
const MESSAGE: Members = &[
    ("role", Schema::Nothing),
    ("id", Schema::Nothing),
    ("name", Schema::Nothing),
    ("type", Schema::Nothing),
    ("tool_call_id", Schema::Nothing),
    ("reasoning_details", Schema::Nothing),
    ("reasoning_signature", Schema::Nothing),
    ("thinking_blocks", Schema::Nothing),
    ("provider_specific_fields", Schema::Nothing),
    ("annotations", Schema::Nothing),
    ("images", Schema::Blob),
    ("usage", Schema::Nothing),
    ("content", CONTENT),
    ("reasoning_content", Schema::Text),
    ("reasoning", Schema::Text),
    ("refusal", Schema::Text),
    (
        "tool_calls",
        Schema::List(&Schema::Object(&[
            ("function", Schema::Object(FUNCTION)),
            (
                "custom",
                Schema::Object(&[("name", Schema::Text), ("input", Schema::Text)]),
            ),
        ])),
    ),
    ("function_call", Schema::Object(FUNCTION)),
    (
        "audio",
        Schema::Object(&[("transcript", Schema::Text), ("data", Schema::Blob)]),
    ),
];

/// Text, or (Mistral) parts of it.
const CONTENT: Schema = Schema::Any(&[
    Schema::Text,
    Schema::List(&Schema::Object(&[
        ("text", Schema::Text),
        (
            "thinking",
            Schema::Any(&[
                Schema::Text,
                Schema::List(&Schema::Object(&[("text", Schema::Text)])),
            ]),
        ),
    ])),
]);

const FUNCTION: Members = &[("name", Schema::Text), ("arguments", Schema::Text)];

/// What such a report says; nothing if it is of another shape.
///
/// Perplexity's deep research, which alone counts its searches, charges what it thought and what it cited beside the prompt and
/// the completion, and its total holds neither (<https://github.com/bgeneto/open-webui-cost-tracker/issues/6>, 2025-05-21). Gemini's
/// compatible endpoint counts what the model thought in the total alone
/// (<https://discuss.ai.google.dev/t/question-with-usage-in-openai-compatibility/98760>, 2025-08-19): no other total tells
/// of output by itself.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    report
        .get(Field::Prompt)
        .or(report.get(Field::Completion))?;
    let searched = report.get(Field::Searches).is_some();
    let [mut read, mut written] = report.cached();
    // Gateways that translate Anthropic's have its names, in the prompt or beside it.
    read.count = read.count.max(report.or_zero(Field::CacheRead));
    written.count = written.count.max(report.or_zero(Field::CacheCreation));
    let reasoning = match report.reasoning() {
        reasoning if searched => Part::beside(TokenKind::Reasoning, reasoning.count).always(),
        reasoning => reasoning,
    };
    let cited = Part::beside(TokenKind::Input, report.or_zero(Field::Citations)).always();
    let tokens = arithmetic::tokens(
        report.or_zero(Field::Prompt),
        report.or_zero(Field::Completion),
        report.or_zero(Field::Total),
        [read, written, reasoning, cited],
    );
    let stated = tokens.input().saturating_add(tokens.output());
    let beyond = tokens.total().saturating_sub(stated);
    let thought = if report.is_gemini() { beyond } else { 0 };
    let output = tokens.output().saturating_add(thought);
    let reasoning = tokens.get(TokenKind::Reasoning).saturating_add(thought);
    let tokens = tokens
        .with(TokenKind::Output, output)
        .with(TokenKind::Reasoning, reasoning);
    Some(report.with_audio(tokens))
}
