//! API keys: their form, generation, redaction and digest.
//!
//! A key has 56 characters: `gmtech_`, 43 base62 digits with 256 random bits, and 6 base62 digits of checksum. Because
//! of this randomness neither salt nor a slow hash is needed: a [`KeyDigest`] is the SHA-256 of the whole key. Only
//! digests are stored and compared.
//!
//! The checksum is the CRC-32 of everything before it. It does not decide whether a key is valid. It only distinguishes
//! a mistyped key from an unknown one, for the error message.
//!
//! # Failure policy
//! Only [`ApiKey::reveal`] gives the text of a key. `Debug` shows its redacted form.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ident::KeyId;

mod redaction;

pub use redaction::{MIN_SECRET, holds_key, name_holds_key, redact, redact_bytes};

/// What every key starts with.
pub const PREFIX: &str = "gmtech_";

/// The longest text that is accepted as a possible key, in bytes. A generated key has 56.
pub const MAX_KEY_LEN: usize = 256;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
const REDACTED_CHARS: usize = 4;

/// The text of a key. It is a secret: it is hashed on arrival, and never stored or printed.
///
/// ```
/// use gmtech_core::key::{ApiKey, NotAKey};
///
/// let key = ApiKey::generate(&[7; 32]);
/// assert_eq!(ApiKey::parse(key.reveal().as_bytes()).as_ref(), Ok(&key));
/// assert!(key.is_well_formed() && key.redacted().starts_with("gmtech_"));
/// assert_eq!(ApiKey::parse(b"sk-123"), Err(NotAKey::WrongPrefix));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Box<str>);

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Does not start with [`PREFIX`].
    #[error("does not start with gmtech_")]
    WrongPrefix,
    /// Nothing after the prefix.
    #[error("has nothing after gmtech_")]
    Empty,
    /// Longer than [`MAX_KEY_LEN`].
    #[error("is longer than any key")]
    TooLong,
    /// Contains a space, or a byte that is not printable ASCII.
    #[error("holds a character that no key has")]
    BadCharacter,
}

impl ApiKey {
    /// Makes a key from 32 bytes of the system's random generator.
    #[must_use]
    pub fn generate(random: &[u8; 32]) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + SECRET_LEN + CHECKSUM_LEN);
        text.push_str(PREFIX);
        text.push_str(&base62(random, SECRET_LEN));
        let sum = checksum(&text);
        text.push_str(&sum);
        Self(text.into())
    }

    /// Reads a key as a client sent it. Surrounding white space must be removed before.
    ///
    /// Any text with the prefix may be a key. Whether it is one is decided by looking up its digest.
    ///
    /// # Errors
    /// [`NotAKey`] names the likely mistake.
    pub fn parse(text: &[u8]) -> Result<Self, NotAKey> {
        let rest = text
            .strip_prefix(PREFIX.as_bytes())
            .ok_or(NotAKey::WrongPrefix)?;
        if rest.is_empty() {
            return Err(NotAKey::Empty);
        }
        if text.len() > MAX_KEY_LEN {
            return Err(NotAKey::TooLong);
        }
        match std::str::from_utf8(text) {
            Ok(s) if s.bytes().all(|b| b.is_ascii_graphic()) => Ok(Self(s.into())),
            _ => Err(NotAKey::BadCharacter),
        }
    }

    /// The digest, which identifies the key in tables, in logs and on the wire.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Whether length and checksum are those of a generated key. An unknown key that is not well formed was mistyped or
    /// cut.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let body_len = PREFIX.len() + SECRET_LEN;
        match (self.0.get(..body_len), self.0.get(body_len..)) {
            (Some(body), Some(sum)) => sum.len() == CHECKSUM_LEN && checksum(body) == sum,
            _ => false,
        }
    }

    /// The part of a key that may be shown: the prefix and four characters (`gmtech_ab12…`).
    #[must_use]
    pub fn redacted(&self) -> String {
        let shown: String = self.0.chars().take(PREFIX.len() + REDACTED_CHARS).collect();
        if shown.len() + REDACTED_CHARS > self.0.len() {
            // In a key shorter than a generated one, four characters could be most of the secret.
            return format!("{PREFIX}…");
        }
        format!("{shown}…")
    }

    /// The secret itself, to be shown once to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.redacted())
    }
}

impl KeyId {
    /// Makes an id from 12 random bytes. It is independent of the key's text.
    #[must_use]
    pub fn generate(random: &[u8; 12]) -> Option<Self> {
        Self::new(&format!("key_{}", base62(random, 17))).ok()
    }
}

/// The SHA-256 of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyDigest([u8; 32]);

/// A text is not a digest of 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the SHA-256 of a key as 64 hexadecimal digits")]
pub struct InvalidDigest;

impl KeyDigest {
    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`InvalidDigest`] on anything else.
    pub fn from_hex(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }

    /// The raw 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps 32 bytes that are already a digest.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDigest({})", self.to_hex())
    }
}

fn checksum(body: &str) -> String {
    base62(
        &crc32fast::hash(body.as_bytes()).to_be_bytes(),
        CHECKSUM_LEN,
    )
}

/// `bytes` as one big-endian number in base 62, `width` digits with leading zeros. `width` must be
/// enough for the number: 43 digits hold 256 bits, 17 hold 96, 6 hold 32.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits: Vec<u8> = Vec::with_capacity(width);
    for _ in 0..width {
        let mut remainder: u32 = 0;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        digits.push(ALPHABET.get(remainder as usize).copied().unwrap_or(b'0'));
    }
    digits.iter().rev().map(|d| char::from(*d)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_generated_key_has_the_documented_form() {
        let key = ApiKey::generate(&[0xff; 32]);
        assert_eq!(key.reveal().len(), 56);
        assert!(key.reveal().starts_with("gmtech_"));
        assert!(key.is_well_formed());
    }

    #[test]
    fn the_digest_is_plain_sha256_of_the_whole_key() {
        // `printf %s gmtech_test | sha256sum`
        let key = ApiKey::parse(b"gmtech_test").unwrap();
        assert_eq!(
            key.digest().to_hex(),
            "4c3c4a0bc0e786c4acc5aa9fd97381f552293a0dbc0c0dc76129208ccf46143f"
        );
    }

    #[test]
    fn parsing_an_invalid_key_names_the_mistake() {
        let long = [b"gmtech_".as_slice(), &[b'a'; 250]].concat();
        for (text, error) in [
            (b"sk-abc".as_slice(), NotAKey::WrongPrefix),
            (b"GMTECH_abc", NotAKey::WrongPrefix),
            (b"", NotAKey::WrongPrefix),
            (b"gmtech_", NotAKey::Empty),
            (&long, NotAKey::TooLong),
            (b"gmtech_a b", NotAKey::BadCharacter),
            (b"gmtech_\xff", NotAKey::BadCharacter),
            (b"gmtech_\0", NotAKey::BadCharacter),
        ] {
            assert_eq!(ApiKey::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn redacted_forms_show_at_most_four_characters_of_the_secret() {
        let key = ApiKey::generate(&[7; 32]);
        assert_eq!(key.redacted().chars().count(), 12);
        assert_eq!(format!("{key:?}"), format!("ApiKey({})", key.redacted()));
        assert_eq!(
            ApiKey::parse(b"gmtech_abcd").unwrap().redacted(),
            "gmtech_…"
        );
    }

    proptest! {
        #[test]
        fn every_generated_key_parses_to_itself(random: [u8; 32]) {
            let key = ApiKey::generate(&random);
            prop_assert_eq!(ApiKey::parse(key.reveal().as_bytes()), Ok(key.clone()));
            prop_assert!(key.is_well_formed());
            prop_assert_eq!(KeyDigest::from_hex(&key.digest().to_hex()), Ok(key.digest()));
        }

        #[test]
        fn different_randomness_makes_different_keys(a: [u8; 32], b: [u8; 32]) {
            prop_assume!(a != b);
            prop_assert_ne!(ApiKey::generate(&a).digest(), ApiKey::generate(&b).digest());
        }

        #[test]
        fn the_checksum_detects_one_changed_character(random: [u8; 32], at in 7usize..56, to in 0usize..62) {
            let key = ApiKey::generate(&random);
            let mut text = key.reveal().as_bytes().to_vec();
            prop_assume!(text[at] != ALPHABET[to]);
            text[at] = ALPHABET[to];
            prop_assert!(!ApiKey::parse(&text).unwrap().is_well_formed());
        }

        #[test]
        fn parsing_never_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = ApiKey::parse(&text).map(|k| (k.redacted(), k.is_well_formed()));
        }
    }
}
