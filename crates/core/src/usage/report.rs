//! The counts that an answer reported, field by field, before a provider's shape makes tokens of them.

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
}

const FIELDS: usize = Field::BilledOutput as usize + 1;

/// The largest count seen of each field. Streams report cumulatively, so that the largest is the last; a sum
/// over chunks would charge `continuous_usage_stats` many times over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    counts: [Option<u64>; FIELDS],
}

impl Report {
    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(Option::is_none)
    }

    /// Notes a count.
    pub(super) fn note(&mut self, field: Field, count: u64) {
        if let Some(slot) = self.counts.get_mut(field as usize) {
            *slot = (*slot).max(Some(count));
        }
    }

    /// Adds what another document reported.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = (*mine).max(*theirs);
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

    /// `whole` with the parts and the total as OpenAI's two shapes name them.
    pub(super) fn with_details(&self, whole: Tokens) -> Tokens {
        const DETAILS: [(Field, TokenKind); 5] = [
            (Field::Cached, TokenKind::CachedInput),
            (Field::CacheWrite, TokenKind::CacheWrite),
            (Field::AudioInput, TokenKind::AudioInput),
            (Field::Reasoning, TokenKind::Reasoning),
            (Field::AudioOutput, TokenKind::AudioOutput),
        ];
        let parts = DETAILS.iter();
        parts
            .fold(whole, |tokens, (field, kind)| {
                tokens.with(*kind, self.or_zero(*field))
            })
            .with_total(self.or_zero(Field::Total))
    }
}
