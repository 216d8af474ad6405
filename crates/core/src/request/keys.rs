//! What the keys of a request body mean to the gate.

use super::error::{BodyError, Param};

/// What a key inside the prompt says of the string under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Unknown: it may be an argument or a property of a tool, so the model is shown it and its value.
    Other,
    /// A word of the protocol; only its value is shown to the model.
    Label,
    /// Who speaks: stands for what a message costs by itself.
    Role,
    /// A name that the model does not see.
    Id,
    /// An image, inline or by URL.
    Image,
    /// Sound.
    Audio,
    /// A file, inline, by URL or by id.
    File,
    /// Anthropic's and Gemini's inline data: an image or a document, or a plain text.
    Source,
    /// Base64 of something, perhaps.
    Blob,
    /// Encrypted; counts by its length.
    Opaque,
}

/// Classifies a key of an object that itself stands under `parent`.
pub(super) fn inside(parent: Key, key: &[u8]) -> Key {
    match key {
        b"role" => Key::Role,
        b"id" | b"type" | b"call_id" | b"tool_call_id" | b"tool_use_id" | b"item_id"
        | b"object" | b"status" | b"detail" | b"media_type" | b"mime_type" | b"mimeType"
        | b"format" | b"index" | b"cache_control" | b"filename" => Key::Id,
        b"content" | b"contents" | b"text" | b"parts" | b"name" | b"description" | b"arguments"
        | b"function" | b"tool_calls" | b"function_call" | b"functionCall"
        | b"functionResponse" | b"args" | b"response" | b"input" | b"output" | b"refusal"
        | b"thinking" | b"summary" | b"reasoning_content" | b"title" => Key::Label,
        b"image_url" | b"imageUrl" | b"image" | b"images" => Key::Image,
        b"input_audio" | b"audio" | b"audio_url" => Key::Audio,
        b"file" => Key::Label,
        b"video_url" | b"file_data" | b"fileData" | b"file_id" | b"file_url" | b"file_uri"
        | b"fileUri" => Key::File,
        b"source" | b"inline_data" | b"inlineData" => Key::Source,
        b"url" => match parent {
            Key::Source => Key::Image,
            Key::Image | Key::Audio | Key::File => parent,
            _ => Key::Label,
        },
        b"data" => match parent {
            Key::Audio | Key::Source => parent,
            _ => Key::Blob,
        },
        b"result" | b"b64_json" => Key::Blob,
        b"encrypted_content" | b"signature" | b"thought_signature" | b"thoughtSignature" => {
            Key::Opaque
        }
        _ => Key::Other,
    }
}

/// What a top-level parameter is to the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The model does not see it.
    Hidden,
    /// The model sees its text.
    Text,
    /// `prompt`, whose elements are prompts of their own.
    Prompt,
    /// The model sees all of it, keys as well: tools, schemas.
    Schema,
}

/// Classifies a top-level key. What is not known is text: a new parameter is rather over- than under-counted.
pub(super) fn section(key: &[u8]) -> Section {
    match key {
        b"prompt" => Section::Prompt,
        b"tools" | b"functions" | b"response_format" | b"text" | b"generationConfig"
        | b"generation_config" | b"output_config" | b"output_format" => Section::Schema,
        b"model"
        | b"user"
        | b"metadata"
        | b"safety_identifier"
        | b"prompt_cache_key"
        | b"service_tier"
        | b"previous_response_id"
        | b"conversation"
        | b"store"
        | b"logit_bias"
        | b"voice"
        | b"size"
        | b"quality"
        | b"style"
        | b"background"
        | b"encoding_format"
        | b"reasoning"
        | b"reasoning_effort"
        | b"modalities"
        | b"truncation"
        | b"include"
        | b"tool_choice"
        | b"stop"
        | b"stop_sequences"
        | b"stream_options"
        | b"verbosity"
        | b"thinking"
        | b"audio"
        | b"safetySettings"
        | b"input_type"
        | b"embedding_types"
        | b"betas" => Section::Hidden,
        _ => Section::Text,
    }
}

const TOP: &[(&str, Param)] = &[
    ("model", Param::Model),
    ("stream", Param::Stream),
    ("stream_options", Param::StreamOptions),
    ("max_tokens", Param::MaxTokens),
    ("max_completion_tokens", Param::MaxCompletionTokens),
    ("max_output_tokens", Param::MaxOutputTokens),
    ("n", Param::N),
    ("best_of", Param::BestOf),
    ("background", Param::Background),
    ("deferred", Param::Deferred),
    ("store", Param::Store),
    ("generationConfig", Param::GenerationConfig),
    ("generation_config", Param::GenerationConfig),
];

const OPTIONS: &[(&str, Param)] = &[("include_usage", Param::IncludeUsage)];

const GENERATION: &[(&str, Param)] = &[
    ("maxOutputTokens", Param::GenerationMaxOutputTokens),
    ("max_output_tokens", Param::GenerationMaxOutputTokens),
    ("candidateCount", Param::CandidateCount),
    ("candidate_count", Param::CandidateCount),
];

/// The parameter that a decoded key names, at the top level (`under` nothing) or inside another parameter.
///
/// # Errors
/// [`BodyError::LetterCase`]: Go's decoder, for one, reads `Model` as `model`, and folds `ſ` and the Kelvin sign
/// too; such a key would escape the check and still reach a model.
pub(super) fn param(under: Option<Param>, key: &[u8]) -> Result<Option<Param>, BodyError> {
    let table = match under {
        None => TOP,
        Some(Param::StreamOptions) => OPTIONS,
        Some(Param::GenerationConfig) => GENERATION,
        Some(_) => return Ok(None),
    };
    if let Some((_, param)) = table.iter().find(|(name, _)| name.as_bytes() == key) {
        return Ok(Some(*param));
    }
    let Ok(key) = std::str::from_utf8(key) else {
        return Ok(None);
    };
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    let same = |name: &str| name.chars().map(fold).eq(key.chars().map(fold));
    match table.iter().find(|(name, _)| same(name)) {
        Some((_, param)) => Err(BodyError::LetterCase(*param)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_parameters_where_they_stand() {
        for (under, key, expected) in [
            (None, "model", Ok(Some(Param::Model))),
            (None, "Model", Err(BodyError::LetterCase(Param::Model))),
            (None, "ſtream", Err(BodyError::LetterCase(Param::Stream))),
            (
                None,
                "max_to\u{212a}ens",
                Err(BodyError::LetterCase(Param::MaxTokens)),
            ),
            (None, "N", Err(BodyError::LetterCase(Param::N))),
            (None, "models", Ok(None)),
            (None, "include_usage", Ok(None)),
            (None, "generation_config", Ok(Some(Param::GenerationConfig))),
            (
                Some(Param::StreamOptions),
                "include_usage",
                Ok(Some(Param::IncludeUsage)),
            ),
            (
                Some(Param::StreamOptions),
                "Include_Usage",
                Err(BodyError::LetterCase(Param::IncludeUsage)),
            ),
            (Some(Param::StreamOptions), "model", Ok(None)),
            (
                Some(Param::GenerationConfig),
                "maxOutputTokens",
                Ok(Some(Param::GenerationMaxOutputTokens)),
            ),
            (Some(Param::Model), "model", Ok(None)),
        ] {
            assert_eq!(param(under, key.as_bytes()), expected, "{key} in {under:?}");
        }
    }
}
