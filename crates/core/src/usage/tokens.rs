//! Tokens by kind, and how surely they are known.

use super::kind::{PerKind, TokenKind};
use crate::vocabulary::vocabulary;

/// The tokens of one answer. All arithmetic on them saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    counts: PerKind<u64>,
    total: u64,
}

impl Tokens {
    /// A prompt and what was generated for it, with no parts and no reported total.
    #[must_use]
    pub fn of(input: u64, output: u64) -> Self {
        Self::default()
            .with(TokenKind::Input, input)
            .with(TokenKind::Output, output)
    }

    /// These tokens with another count of `kind`.
    #[must_use]
    pub fn with(mut self, kind: TokenKind, count: u64) -> Self {
        self.counts.set(kind, count);
        self
    }

    /// These tokens with the total that was reported; zero stands for none.
    #[must_use]
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = total;
        self
    }

    /// The count of `kind`.
    #[must_use]
    pub fn get(&self, kind: TokenKind) -> u64 {
        self.counts.get(kind)
    }

    /// The count of each kind, in the order of [`TokenKind::ALL`].
    pub fn counts(&self) -> impl Iterator<Item = (TokenKind, u64)> {
        self.counts.iter()
    }

    /// All of the prompt.
    #[must_use]
    pub fn input(&self) -> u64 {
        self.get(TokenKind::Input)
    }

    /// All that was generated.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.get(TokenKind::Output)
    }

    /// The total as reported; zero where none was. It may exceed the sum of the kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What is billed: the larger of the reported total and the sum, since some providers leave reasoning out
    /// of the one and some out of the other.
    #[must_use]
    pub fn billable_total(&self) -> u64 {
        self.total.max(self.input().saturating_add(self.output()))
    }

    /// Both together, kind by kind. Of totals the billable ones are added where either says more than its kinds.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let total = if self.total > 0 || other.total > 0 {
            self.billable_total().saturating_add(other.billable_total())
        } else {
            0
        };
        Self {
            counts: PerKind::each(|kind| self.get(kind).saturating_add(other.get(kind))),
            total,
        }
    }

    /// Each token once: a part under its own kind and not in its whole, and no more of a part than its whole has. What a
    /// reported total has beyond input and output is output if none was stated, and input if one was: a provider that states
    /// an output states all of it. The sum is [`Self::billable_total`].
    #[must_use]
    pub fn apart(&self) -> PerKind<u64> {
        let mut apart = PerKind::default();
        for whole in [TokenKind::Input, TokenKind::Output] {
            let mut rest = self.get(whole);
            for part in whole.parts() {
                let taken = self.get(part).min(rest);
                rest = rest.saturating_sub(taken);
                apart.set(part, taken);
            }
            apart.set(whole, rest);
        }
        let sum = self.input().saturating_add(self.output());
        let beyond = self.billable_total().saturating_sub(sum);
        let side = match self.output() {
            0 => TokenKind::Output,
            _ => TokenKind::Input,
        };
        apart.set(side, apart.get(side).saturating_add(beyond));
        apart
    }

    /// Whether nothing is billed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.billable_total() == 0
    }
}

vocabulary! {
    /// How the tokens of an answer are known. The order is that of the wire: a further way stands at the end.
    pub enum UsageSource {
        /// The provider's own count of the whole answer; zero tokens for a refusal.
        Exact = "exact",
        /// The answer was cut, or failed, or went on after its count: at least this.
        LowerBound = "lower_bound",
        /// The answer was whole and the provider did not count it.
        Estimated = "estimated",
    }
}

/// What an answer used, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// See [`UsageSource::Exact`].
    Exact(Tokens),
    /// See [`UsageSource::LowerBound`].
    LowerBound(Tokens),
    /// See [`UsageSource::Estimated`].
    Estimated(Tokens),
}

impl Usage {
    /// Tokens that are known in this way.
    #[must_use]
    pub fn new(source: UsageSource, tokens: Tokens) -> Self {
        match source {
            UsageSource::Exact => Self::Exact(tokens),
            UsageSource::LowerBound => Self::LowerBound(tokens),
            UsageSource::Estimated => Self::Estimated(tokens),
        }
    }

    /// The tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        match self {
            Self::Exact(tokens) | Self::LowerBound(tokens) | Self::Estimated(tokens) => tokens,
        }
    }

    /// How they are known.
    #[must_use]
    pub fn source(&self) -> UsageSource {
        match self {
            Self::Exact(_) => UsageSource::Exact,
            Self::LowerBound(_) => UsageSource::LowerBound,
            Self::Estimated(_) => UsageSource::Estimated,
        }
    }
}

#[cfg(test)]
mod tests {
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
            let tokens = Tokens::of(input, output).with_total(total);
            assert_eq!(tokens.billable_total(), billed, "{tokens:?}");
        }
    }

    #[test]
    fn a_part_is_taken_out_of_its_whole_and_what_is_beyond_the_sum_is_input() {
        let tokens = Tokens::of(100, 50)
            .with(TokenKind::CachedInput, 60)
            .with(TokenKind::CacheWrite, 60)
            .with(TokenKind::Reasoning, 20)
            .with_total(160);
        let apart = tokens.apart();
        for (kind, count) in [
            (TokenKind::Input, 10),
            (TokenKind::CachedInput, 60),
            (TokenKind::CacheWrite, 40),
            (TokenKind::AudioInput, 0),
            (TokenKind::Output, 30),
            (TokenKind::Reasoning, 20),
        ] {
            assert_eq!(apart.get(kind), count, "{kind:?}");
        }
        let unstated = Tokens::of(100, 0).with_total(160).apart();
        assert_eq!(unstated.get(TokenKind::Output), 60);
    }
}
