//! The counts that an answer reported, field by field, before a provider's shape makes tokens of them.

use super::arithmetic::Part;
use super::kind::TokenKind;
use super::tokens::Tokens;

/// A number that some provider reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Prompt,
    Completion,
    Input,
    Output,
    Total,
    Cached,
    CacheWrite,
    AudioInput,
    AudioOutput,
    Reasoning,
    CacheRead,
    CacheCreation,
    GeminiPrompt,
    GeminiToolPrompt,
    GeminiCandidates,
    GeminiThoughts,
    GeminiCached,
    BilledInput,
    BilledOutput,
    Citations,
    Searches,
    TurnInput,
    TurnRead,
    TurnCreation,
    TurnOutput,
}

const FIELDS: usize = Field::TurnOutput as usize + 1;

/// What is reported of the prompt, and restated together.
const PROMPT: [Field; 16] = [
    Field::Prompt,
    Field::Input,
    Field::Cached,
    Field::CacheWrite,
    Field::AudioInput,
    Field::CacheRead,
    Field::CacheCreation,
    Field::GeminiPrompt,
    Field::GeminiToolPrompt,
    Field::GeminiCached,
    Field::BilledInput,
    Field::Citations,
    Field::Searches,
    Field::TurnInput,
    Field::TurnRead,
    Field::TurnCreation,
];

/// What is reported of the output.
const OUTPUT: [Field; 8] = [
    Field::Completion,
    Field::Output,
    Field::Reasoning,
    Field::AudioOutput,
    Field::GeminiCandidates,
    Field::GeminiThoughts,
    Field::BilledOutput,
    Field::TurnOutput,
];

/// What an answer has reported so far.
///
/// # Snapshots
/// A stream's reports are cumulative in every documented form, so that the latest holds and nothing is ever added up: a sum
/// over chunks would charge vLLM's `continuous_usage_stats` many times over, and a mixture of the largest counts would charge a
/// prompt twice that a later report splits into what was read from the cache and what was not.
///
/// | form | where | source |
/// |---|---|---|
/// | chat | `usage` of the last chunk; or of each, so far | <https://github.com/openai/openai-openapi> (2026-08-21) |
/// | responses | `response.usage` of the last event | the same |
/// | Anthropic | `message_start`, then `message_delta`: "cumulative" | <https://rubydoc.info/github/anthropics/anthropic-sdk-ruby/main/Anthropic/Models/MessageDeltaUsage> (2026-11-28) |
/// | Gemini | `usageMetadata` of each chunk | recorded streams in `tests/answers/google.txt` (2026-08-22) |
/// | Cohere | `message-end` | <https://docs.cohere.com/v2/docs/streaming> |
///
/// Within a snapshot:
/// - A field that a later snapshot states replaces the earlier one, also if it is lower. A field that it does not state, or
///   states as null, stays: `message_delta` of older versions says nothing of the prompt.
/// - Zeros are placeholders unless the rest of the same side (the prompt, or the output) changes with them: some upstreams begin
///   with zeros, others end with them.
/// - A total belongs to its own snapshot.
/// - A cache that is told of first by a later snapshot, without the input, splits the input that was told before: so do
///   DashScope's `message_delta` (<https://github.com/jeremychone/rust-genai/pull/258>, 2026-07-09).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    counts: [Option<u64>; FIELDS],
    is_gemini: bool,
}

impl Report {
    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(Option::is_none)
    }

    /// Notes a count. Where a document states a field in several places, the largest holds; turns are added up.
    pub(super) fn note(&mut self, field: Field, count: u64) {
        let before = self.get(field);
        let count = match field {
            Field::TurnInput | Field::TurnRead | Field::TurnCreation | Field::TurnOutput => {
                count.saturating_add(before.unwrap_or(0))
            }
            _ => count,
        };
        self.set(field, before.max(Some(count)));
    }

    /// Notes the model that answered.
    pub(super) fn note_model(&mut self, model: &[u8]) {
        self.is_gemini |= memchr::memmem::find(model, b"gemini").is_some();
    }

    /// Whether one of Gemini's models answered.
    pub(super) fn is_gemini(&self) -> bool {
        self.is_gemini
    }

    /// Takes a later snapshot.
    pub(super) fn update(&mut self, later: &Self) {
        self.is_gemini |= later.is_gemini;
        self.split_input(later);
        let prompt = self.update_side(later, &PROMPT);
        let output = self.update_side(later, &OUTPUT);
        let total = later.get(Field::Total).filter(|total| *total > 0);
        if total.is_some() || prompt || output {
            self.set(Field::Total, total);
        }
    }

    /// Takes one side of a later snapshot; whether it says something new.
    fn update_side(&mut self, later: &Self, fields: &[Field]) -> bool {
        let changes = fields.iter().any(|field| {
            let count = later.get(*field);
            count > Some(0) && count != self.get(*field)
        });
        for field in fields {
            let count = later.get(*field);
            if count.is_some() && (changes || self.get(*field).is_none()) {
                self.set(*field, count);
            }
        }
        changes
    }

    /// An input that was told before anything was of the cache holds the cached tokens too. The two may differ by a few: they
    /// were counted in different ways.
    fn split_input(&mut self, later: &Self) {
        let cached = later
            .or_zero(Field::CacheRead)
            .saturating_add(later.or_zero(Field::CacheCreation));
        let told = self.or_zero(Field::CacheRead) > 0 || self.or_zero(Field::CacheCreation) > 0;
        let Some(input) = self.get(Field::Input) else {
            return;
        };
        let may_hold_it = input.saturating_add(input / 16) >= cached;
        if cached > 0 && !told && later.get(Field::Input).is_none() && may_hold_it {
            self.set(Field::Input, Some(input.saturating_sub(cached)));
        }
    }

    fn set(&mut self, field: Field, count: Option<u64>) {
        if let Some(slot) = self.counts.get_mut(field as usize) {
            *slot = count;
        }
    }

    /// A field's count, if it was reported.
    pub(super) fn get(&self, field: Field) -> Option<u64> {
        self.counts.get(field as usize).copied().flatten()
    }

    /// A field's count, or zero.
    pub(super) fn or_zero(&self, field: Field) -> u64 {
        self.get(field).unwrap_or(0)
    }

    /// What the cache gave and took, under OpenAI's names.
    pub(super) fn cached(&self) -> [Part; 2] {
        [
            Part::inside(TokenKind::CachedInput, self.or_zero(Field::Cached)),
            Part::inside(TokenKind::CacheWrite, self.or_zero(Field::CacheWrite)),
        ]
    }

    /// What the model thought, which OpenAI counts in the output.
    pub(super) fn reasoning(&self) -> Part {
        Part::inside(TokenKind::Reasoning, self.or_zero(Field::Reasoning))
    }

    /// `tokens` with their audio.
    pub(super) fn with_audio(&self, tokens: Tokens) -> Tokens {
        tokens
            .with(TokenKind::AudioInput, self.or_zero(Field::AudioInput))
            .with(TokenKind::AudioOutput, self.or_zero(Field::AudioOutput))
    }
}

#[cfg(test)]
mod tests;
