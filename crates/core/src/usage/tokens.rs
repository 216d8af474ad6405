//! Tokens by kind, what they weigh against a limit, and how surely they are known.

use serde::{Deserialize, Serialize};

/// The tokens of one answer. All arithmetic on them saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// All of the prompt: cached, written to the cache and audio among it.
    pub input: u64,
    /// Of the input, what the provider read from its cache.
    pub cached_input: u64,
    /// Of the input, what the provider wrote to its cache.
    pub cache_write: u64,
    /// Of the input, audio.
    pub audio_input: u64,
    /// All that was generated: reasoning and audio among it.
    pub output: u64,
    /// Of the output, what the model thought.
    pub reasoning: u64,
    /// Of the output, audio.
    pub audio_output: u64,
    /// The total as reported; zero where none was. It may exceed the sum of the kinds.
    pub total: u64,
}

impl Tokens {
    /// What is billed: the larger of the reported total and the sum, since some providers leave reasoning out
    /// of the one and some out of the other.
    #[must_use]
    pub fn billable_total(&self) -> u64 {
        self.total.max(self.input.saturating_add(self.output))
    }

    /// Both together, kind by kind. Of totals the billable ones are added where either says more than its kinds.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let beyond = self.total > 0 || other.total > 0;
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            audio_input: self.audio_input.saturating_add(other.audio_input),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            total: if beyond {
                self.billable_total().saturating_add(other.billable_total())
            } else {
                0
            },
        }
    }

    /// Whether nothing is billed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.billable_total() == 0
    }
}

/// What a token of each kind counts against a tokens limit, in thousandths of a token.
///
/// By default each counts one, as OpenAI counts: cached tokens too. Every token is of one kind:
/// of a prompt's, first the cached, then those written, then audio, the rest plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Plain input.
    pub input: u32,
    /// Input read from the provider's cache.
    pub cached_input: u32,
    /// Input written to the provider's cache.
    pub cache_write: u32,
    /// Audio in the prompt.
    pub audio_input: u32,
    /// Plain output.
    pub output: u32,
    /// Reasoning.
    pub reasoning: u32,
    /// Audio generated.
    pub audio_output: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            input: 1000,
            cached_input: 1000,
            cache_write: 1000,
            audio_input: 1000,
            output: 1000,
            reasoning: 1000,
            audio_output: 1000,
        }
    }
}

impl Weights {
    /// The number charged against a tokens limit, rounded up. What a reported total has beyond the sum of
    /// the kinds counts as plain output. With the default weights this is the billable total.
    #[must_use]
    pub fn charge(&self, tokens: &Tokens) -> u64 {
        let mut input = tokens.input;
        let mut output = tokens.output;
        let beyond = tokens
            .billable_total()
            .saturating_sub(input.saturating_add(output));
        let parts = [
            (take(&mut input, tokens.cached_input), self.cached_input),
            (take(&mut input, tokens.cache_write), self.cache_write),
            (take(&mut input, tokens.audio_input), self.audio_input),
            (input, self.input),
            (take(&mut output, tokens.reasoning), self.reasoning),
            (take(&mut output, tokens.audio_output), self.audio_output),
            (output, self.output),
            (beyond, self.output),
        ];
        let milli = parts.iter().fold(0u128, |sum, (count, weight)| {
            sum.saturating_add(u128::from(*count).saturating_mul(u128::from(*weight)))
        });
        u64::try_from(milli.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// Takes up to `want` from `pool`.
fn take(pool: &mut u64, want: u64) -> u64 {
    let taken = want.min(*pool);
    *pool = pool.saturating_sub(taken);
    taken
}

/// What an answer used, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The provider's own count of the whole answer; zero for a refusal.
    Exact(Tokens),
    /// The answer was cut, or failed, or went on after its count: at least this.
    LowerBound(Tokens),
    /// The answer was whole and nobody counted it.
    Estimated(Tokens),
}

impl Usage {
    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        match self {
            Self::Exact(tokens) | Self::LowerBound(tokens) | Self::Estimated(tokens) => tokens,
        }
    }

    /// How they are known, for logs and usage records: `exact`, `lower_bound` or `estimated`.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::LowerBound(_) => "lower_bound",
            Self::Estimated(_) => "estimated",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_total_below_the_sum_never_bills_less_and_one_above_bills_more() {
        for (input, output, total, billed) in [
            (10, 5, 15, 15),
            (10, 5, 0, 15),
            (10, 5, 3, 15),
            (10, 5, 40, 40),
            (0, 0, 7, 7),
            (u64::MAX, 1, 0, u64::MAX),
        ] {
            let tokens = Tokens {
                input,
                output,
                total,
                ..Tokens::default()
            };
            assert_eq!(tokens.billable_total(), billed, "{tokens:?}");
        }
    }

    #[test]
    fn weights_charge_each_token_once_by_its_kind() {
        let tokens = Tokens {
            input: 1000,
            cached_input: 600,
            cache_write: 100,
            output: 50,
            reasoning: 40,
            total: 1060,
            ..Tokens::default()
        };
        let cheap_cache = Weights {
            cached_input: 100,
            cache_write: 1250,
            ..Weights::default()
        };
        // 300 plain + 60 + 125 + 50 + the 10 beyond the sum
        assert_eq!(cheap_cache.charge(&tokens), 545);
        let free_reasoning = Weights {
            reasoning: 0,
            ..Weights::default()
        };
        assert_eq!(free_reasoning.charge(&tokens), 1020);
    }

    #[test]
    fn parts_larger_than_their_whole_take_no_more_than_it() {
        let odd = Tokens {
            input: 10,
            cached_input: 1_000,
            cache_write: 1_000,
            ..Tokens::default()
        };
        let half = Weights {
            cached_input: 500,
            ..Weights::default()
        };
        assert_eq!(half.charge(&odd), 5);
    }

    proptest! {
        #[test]
        fn the_default_weights_charge_the_billable_total(
            input: u64, cached_input: u64, cache_write: u64, audio_input: u64, output: u64, reasoning: u64, audio_output: u64, total: u64,
        ) {
            let tokens = Tokens { input, cached_input, cache_write, audio_input, output, reasoning, audio_output, total };
            prop_assert_eq!(Weights::default().charge(&tokens), tokens.billable_total());
        }
    }
}
