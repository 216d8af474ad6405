//! Names that travel in headers, logs, metrics and databases, valid by construction.
//!
//! Each is a newtype over the same alphabet, so that no place that prints one has to escape it:
//! 1 to 64 of `A–Z a–z 0–9 _ . -`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest identifier, in bytes.
pub const MAX_IDENT_LEN: usize = 64;

/// Why a string is no identifier.
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
            /// [`InvalidIdent`] where `s` is empty, too long or has another character.
            pub fn new(s: &str) -> Result<Self, InvalidIdent> {
                if is_ident(s) { Ok(Self(s.into())) } else { Err(InvalidIdent) }
            }

            /// The name as text, safe to print anywhere.
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
    /// The public name of a key (`key_…`): says which key, opens nothing.
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
