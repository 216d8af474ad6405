//! The digest that stands for an id of the provider's.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Stands for the id that a provider gave to an object: the first 16 bytes of its SHA-256. Ids are drawn at
/// random by providers, and nobody can make two texts that meet in 128 bits and are both ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    /// Of an id's text, as it stands in a path, a parameter or an answer.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hasher = IdHasher::default();
        hasher.push(text);
        hasher.finish()
    }

    /// Wraps 16 bytes that are a digest already.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// 32 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The digest as 32 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The id of the event that tells `what` of this object: the same on every proxy and at every repetition,
    /// so that it is counted once.
    #[must_use]
    pub fn event(&self, what: Told) -> [u8; 16] {
        let name: &[u8] = match what {
            Told::Settled => b"settled",
            Told::Found => b"found",
        };
        let digest = Sha256::new().chain_update(name).chain_update(self.0);
        leading(&digest.finalize())
    }
}

/// What an event of an object's own tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What it used.
    Settled,
    /// That another object of the same maker has named it.
    Found,
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({})", self.to_hex())
    }
}

/// Makes an [`ObjectId`] of a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct IdHasher(Sha256);

impl IdHasher {
    /// More of the text.
    pub fn push(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The text is complete.
    #[must_use]
    pub fn finish(self) -> ObjectId {
        ObjectId(leading(&self.0.finalize()))
    }
}

fn leading(digest: &[u8]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}
