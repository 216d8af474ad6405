//! The members of a usage report, under the names that several providers share.

use super::cohere;
use super::report::Field;
use super::schema::{Members, Schema};

/// A usage report's members, of OpenAI's two shapes, Anthropic's and Cohere's.
pub(super) const USAGE: Members = &[
    ("prompt_tokens", Schema::Count(Field::Prompt)),
    ("completion_tokens", Schema::Count(Field::Completion)),
    ("input_tokens", Schema::Count(Field::Input)),
    ("output_tokens", Schema::Count(Field::Output)),
    ("total_tokens", Schema::Count(Field::Total)),
    ("prompt_tokens_details", Schema::Object(INPUT_DETAILS)),
    ("input_tokens_details", Schema::Object(INPUT_DETAILS)),
    // As audio transcriptions spell it.
    ("input_token_details", Schema::Object(INPUT_DETAILS)),
    ("completion_tokens_details", Schema::Object(OUTPUT_DETAILS)),
    ("output_tokens_details", Schema::Object(OUTPUT_DETAILS)),
    ("output_token_details", Schema::Object(OUTPUT_DETAILS)),
    // DeepSeek, Moonshot; SGLang, xAI.
    ("prompt_cache_hit_tokens", Schema::Count(Field::Cached)),
    ("cached_tokens", Schema::Count(Field::Cached)),
    ("reasoning_tokens", Schema::Count(Field::Reasoning)),
    ("cache_read_input_tokens", Schema::Count(Field::CacheRead)),
    (
        "cache_creation_input_tokens",
        Schema::Count(Field::CacheCreation),
    ),
    ("billed_units", Schema::Object(cohere::BILLED_UNITS)),
];

const INPUT_DETAILS: Members = &[
    ("cached_tokens", Schema::Count(Field::Cached)),
    ("cache_write_tokens", Schema::Count(Field::CacheWrite)),
    ("audio_tokens", Schema::Count(Field::AudioInput)),
];

const OUTPUT_DETAILS: Members = &[
    ("reasoning_tokens", Schema::Count(Field::Reasoning)),
    ("audio_tokens", Schema::Count(Field::AudioOutput)),
];
