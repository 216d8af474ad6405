//! Short texts in events.

use crate::decision::{Decision, Outcome};
use crate::sync::SyncError;

/// The longest label, in bytes.
pub const MAX_LABEL_LEN: usize = 64;

/// A short text for logs and queries, such as an endpoint: at most 64 visible ASCII characters, so that it needs no
/// escaping anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(Box<str>);

impl Label {
    /// Makes a label of the characters in `text` that a label may have, cut at 64 bytes.
    #[must_use]
    pub fn clip(text: &str) -> Self {
        let kept: String = text
            .chars()
            .filter(char::is_ascii_graphic)
            .take(MAX_LABEL_LEN)
            .collect();
        Self(kept.into())
    }

    pub(super) fn checked(text: &str) -> Result<Self, SyncError> {
        let label = Self::clip(text);
        if label.as_str() == text {
            Ok(label)
        } else {
            Err(SyncError::Malformed)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A decision by its name in an event or a sum. A newer filter may send a name that this program does not know. The
/// name is kept, and counts as a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamedDecision {
    /// One of [`Decision::ALL`].
    Known(Decision),
    /// The name of an unknown decision.
    Other(Label),
}

impl NamedDecision {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(decision) => decision.name(),
            Self::Other(name) => name.as_str(),
        }
    }

    /// Whether it admits or refuses.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Known(decision) => decision.outcome(),
            Self::Other(_) => Outcome::Refuses,
        }
    }
}

impl From<Decision> for NamedDecision {
    fn from(decision: Decision) -> Self {
        Self::Known(decision)
    }
}

impl From<Label> for NamedDecision {
    fn from(name: Label) -> Self {
        Decision::named(name.as_str()).map_or(Self::Other(name), Self::Known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_decision_keeps_its_name_and_counts_as_a_refusal() {
        for (name, outcome) in [
            ("allowed", Outcome::Admits),
            ("limits", Outcome::Neither),
            ("key_revoked", Outcome::Refuses),
            ("a_reason_to_come", Outcome::Refuses),
            ("", Outcome::Refuses),
        ] {
            let decision = NamedDecision::from(Label::clip(name));
            assert_eq!(
                (decision.as_str(), decision.outcome()),
                (name, outcome),
                "{name}"
            );
        }
    }
}
