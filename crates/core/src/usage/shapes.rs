//! The shapes of all providers, joined: where in a document to look, and what its counts come to.
//!
//! One tree serves every provider: their shapes share no key with two meanings, so an answer's shape is told by its own
//! keys and needs no configuration.

use super::counts::USAGE;
use super::report::{Field, Report};
use super::schema::{Members, Names, Schema, Tag};
use super::tokens::Tokens;
use super::{anthropic, bedrock, chat, cohere, gemini, responses};

/// An event's data: what it adds to the answer, never what it repeats of it.
pub(super) static EVENT: Schema = Schema::Any(&[
    Schema::Object(EVENT_MEMBERS),
    Schema::Items(&Schema::Object(EVENT_MEMBERS)),
]);

const EVENT_MEMBERS: Members = &[
    ("type", Schema::Tag(Tag::Type)),
    ("object", Schema::Tag(Tag::Object)),
    ("model", Schema::Tag(Tag::Model)),
    ("id", Schema::Id(Names::Itself)),
    ("error", Schema::Error),
    ("usage", Schema::Usage(USAGE)),
    ("choices", chat::CHOICES_STREAMED),
    ("x_groq", chat::X_GROQ),
    (
        "response",
        Schema::Any(&[Schema::Text, responses::RESPONSE]),
    ),
    ("message", anthropic::MESSAGE_START),
    ("content_block", anthropic::CONTENT_BLOCK_START),
    // A string in OpenAI's typed events, an object in Anthropic's and Cohere's.
    ("delta", Schema::Any(&[Schema::Text, anthropic::DELTA])),
    ("usageMetadata", gemini::USAGE_METADATA),
    ("candidates", gemini::CANDIDATES),
    ("audio", Schema::Blob),
    ("b64_json", Schema::Blob),
    ("partial_image_b64", Schema::Blob),
];

/// A document that stands bare: a whole answer, an array of answers (Gemini's stream without `alt=sse`), or a line of
/// NDJSON.
pub(super) static BODY: Schema = Schema::Any(&[
    Schema::Object(BODY_MEMBERS),
    Schema::Items(&Schema::Object(BODY_MEMBERS)),
]);

const BODY_MEMBERS: Members = &[
    ("type", Schema::Tag(Tag::Type)),
    ("object", Schema::Tag(Tag::Object)),
    ("model", Schema::Tag(Tag::Model)),
    ("error", Schema::Error),
    ("id", Schema::Id(Names::Itself)),
    ("request_id", Schema::Id(Names::Deferred)),
    ("output_file_id", Schema::Id(Names::Output)),
    ("error_file_id", Schema::Id(Names::Failures)),
    ("results_url", Schema::Id(Names::Results)),
    ("status", Schema::Tag(Tag::Status)),
    // Anthropic's batches.
    ("processing_status", Schema::Tag(Tag::Status)),
    ("usage", Schema::Usage(USAGE)),
    ("choices", chat::CHOICES_WHOLE),
    ("x_groq", chat::X_GROQ),
    ("output", Schema::Any(&[responses::OUTPUT, bedrock::OUTPUT])),
    // Realtime's `response.done`; Ollama's text.
    (
        "response",
        Schema::Any(&[Schema::Text, responses::RESPONSE]),
    ),
    ("delta", Schema::Any(&[Schema::Text, anthropic::DELTA])),
    (
        "content",
        Schema::List(&Schema::Object(anthropic::CONTENT_BLOCK)),
    ),
    // Cohere's chat, and Ollama's.
    ("message", cohere::MESSAGE),
    ("thinking", Schema::Text),
    ("prompt_eval_count", Schema::Count(Field::Prompt)),
    ("eval_count", Schema::Count(Field::Completion)),
    ("done_reason", Schema::Tag(Tag::Ended)),
    ("usageMetadata", gemini::USAGE_METADATA),
    ("candidates", gemini::CANDIDATES),
    ("meta", cohere::META),
    // A transcription.
    ("text", Schema::Text),
    // Images, embeddings.
    (
        "data",
        Schema::Items(&Schema::Object(&[
            ("b64_json", Schema::Blob),
            ("embedding", Schema::Nothing),
        ])),
    ),
];

/// The tokens, in the shape that the fields tell: the largest, should a gateway report in two. A report of
/// nothing but zeros is none.
pub(super) fn tokens(report: &Report) -> Option<Tokens> {
    let total = report.or_zero(Field::Total);
    let shapes = [
        chat::tokens(report),
        anthropic::tokens(report),
        responses::tokens(report),
        gemini::tokens(report),
        cohere::tokens(report),
        // Embeddings and reranks of some say no more than the total: it was all prompt.
        Some(Tokens::of(total, 0).with_total(total)),
    ];
    // Of equals the first: the total alone knows less than any shape.
    shapes
        .into_iter()
        .flatten()
        .rev()
        .max_by_key(Tokens::billable_total)
        .filter(|tokens| !tokens.is_zero())
}
