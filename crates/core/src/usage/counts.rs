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
    // Mistral.
    ("num_cached_tokens", Schema::Count(Field::Cached)),
    // Bedrock's converse, whose prompt is counted as Anthropic's.
    ("inputTokens", Schema::Count(Field::Input)),
    ("outputTokens", Schema::Count(Field::Output)),
    ("totalTokens", Schema::Count(Field::Total)),
    ("cacheReadInputTokens", Schema::Count(Field::CacheRead)),
    ("cacheWriteInputTokens", Schema::Count(Field::CacheCreation)),
    // Anthropic's, where a request took several turns.
    ("iterations", Schema::Items(&Schema::Object(ITERATION))),
    // Perplexity.
    ("citation_tokens", Schema::Count(Field::Citations)),
    ("num_search_queries", Schema::Count(Field::Searches)),
    ("billed_units", Schema::Object(cohere::BILLED_UNITS)),
];

/// A turn of an Anthropic request.
const ITERATION: Members = &[
    ("input_tokens", Schema::Count(Field::TurnInput)),
    ("cache_read_input_tokens", Schema::Count(Field::TurnRead)),
    (
        "cache_creation_input_tokens",
        Schema::Count(Field::TurnCreation),
    ),
    ("output_tokens", Schema::Count(Field::TurnOutput)),
];

const INPUT_DETAILS: Members = &[
    ("cached_tokens", Schema::Count(Field::Cached)),
    ("cache_write_tokens", Schema::Count(Field::CacheWrite)),
    ("audio_tokens", Schema::Count(Field::AudioInput)),
];

const OUTPUT_DETAILS: Members = &[
    ("reasoning_tokens", Schema::Count(Field::Reasoning)),
    // Anthropic.
    ("thinking_tokens", Schema::Count(Field::Reasoning)),
    ("audio_tokens", Schema::Count(Field::AudioOutput)),
];
