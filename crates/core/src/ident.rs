//! Identifiers that are valid by construction, for headers, logs, metrics and databases.
//!
//! Each is a newtype over 1 to 64 characters of `A–Z a–z 0–9 _ . -`, so that it needs no escaping anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest identifier, in bytes.
pub const MAX_IDENT_LEN: usize = 64;

/// A string is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters, each a letter, a digit, '_', '.' or '-'")]
pub struct InvalidIdent;

fn is_ident(s: &str) -> bool {
    (1..=MAX_IDENT_LEN).contains(&s.len())
        && s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

macro_rules! ident {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and wraps `s`.
            ///
            /// # Errors
            /// [`InvalidIdent`] if `s` is empty, too long, or contains another character.
            pub fn new(s: &str) -> Result<Self, InvalidIdent> {
                if is_ident(s) { Ok(Self(s.into())) } else { Err(InvalidIdent) }
            }

            /// The identifier as text. It needs no escaping.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdent;
            fn try_from(s: String) -> Result<Self, InvalidIdent> {
                Self::new(&s)
            }
        }

        impl From<$name> for String {
            fn from(n: $name) -> String {
                n.0.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidIdent;
            fn from_str(s: &str) -> Result<Self, InvalidIdent> {
                Self::new(s)
            }
        }
    };
}

ident! {
    /// The public id of a key (`key_…`). It is not a secret.
    KeyId
}
ident! {
    /// The billing account that a key belongs to.
    TeamId
}
ident! {
    /// A tier of the configuration (`free`, `pro`, `team`).
    TierName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_names_of_bounded_length_are_identifiers() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        for (text, valid) in [
            ("team_acme", true),
            ("a.b-C9", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("two words", false),
            ("line\nbreak", false),
            ("naïve", false),
            ("a/b", false),
            ("a\"b", false),
        ] {
            assert_eq!(TeamId::new(text).is_ok(), valid, "{text:?}");
        }
    }
}
