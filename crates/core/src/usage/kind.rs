//! Kinds of tokens: the one list that events, SQL, JSON, metrics, log fields, weights and prices follow.
//!
//! # How a kind is added
//! A row of [`TokenKind`], at its end; a column in a migration of each database; a log field in `envoy/envoy.yaml` and a row of
//! the table in `envoy/README.md`; and where a provider's answer says it: `usage/counts.rs` and
//! `usage/report.rs`. The order is that of the wire, and of the parts that take from a whole.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// A kind of tokens that providers count apart.
    ///
    /// [`Self::Input`] and [`Self::Output`] are wholes. Every other kind is a part of one of them, and is counted in it too.
    /// Where parts come to more than their whole, an earlier part comes first.
    pub enum TokenKind {
        /// All of the prompt.
        Input = "input",
        /// Of the input, what the provider read from its cache.
        CachedInput = "cached_input",
        /// Of the input, what the provider wrote to its cache.
        CacheWrite = "cache_write",
        /// Of the input, audio.
        AudioInput = "audio_input",
        /// All that was generated.
        Output = "output",
        /// Of the output, what the model thought.
        Reasoning = "reasoning",
        /// Of the output, audio.
        AudioOutput = "audio_output",
    }
}

impl TokenKind {
    /// The kind that it is a part of; `None` for a whole.
    #[must_use]
    pub const fn part_of(self) -> Option<Self> {
        match self {
            Self::Input | Self::Output => None,
            Self::CachedInput | Self::CacheWrite | Self::AudioInput => Some(Self::Input),
            Self::Reasoning | Self::AudioOutput => Some(Self::Output),
        }
    }

    /// The kinds that are parts of this one, in the order in which they take from it.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(move |kind| kind.part_of() == Some(self))
    }
}

/// A value for each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerKind<T>([T; TokenKind::ALL.len()]);

impl<T: Copy + Default> PerKind<T> {
    /// The value that `of` gives for each kind.
    pub fn each(of: impl FnMut(TokenKind) -> T) -> Self {
        Self(TokenKind::ALL.map(of))
    }

    /// The value of a kind.
    #[must_use]
    pub fn get(&self, kind: TokenKind) -> T {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }

    /// Sets the value of a kind.
    pub fn set(&mut self, kind: TokenKind, value: T) {
        if let Some(slot) = self.0.get_mut(kind as usize) {
            *slot = value;
        }
    }

    /// All of them, in the order of [`TokenKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (TokenKind, T)> {
        TokenKind::ALL.into_iter().zip(self.0)
    }
}

impl<T: Copy + Default> Default for PerKind<T> {
    fn default() -> Self {
        Self::each(|_| T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_whole_and_every_name_leads_back() {
        for kind in TokenKind::ALL {
            assert_eq!(TokenKind::named(kind.name()), Some(kind));
            if let Some(whole) = kind.part_of() {
                assert_eq!(whole.part_of(), None, "{kind:?}");
                assert!(whole.parts().any(|part| part == kind));
            }
        }
        assert_eq!(TokenKind::named("total"), None);
    }

    #[test]
    fn each_kind_has_a_value_of_its_own() {
        let mut values = PerKind::<u32>::default();
        for (n, kind) in (1..).zip(TokenKind::ALL) {
            values.set(kind, n);
        }
        assert!(
            values
                .iter()
                .map(|(_, n)| n)
                .eq(1..=TokenKind::ALL.len() as u32)
        );
    }
}
