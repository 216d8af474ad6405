//! The digest of a provider's object id.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Identifies a provider's object: the first 16 bytes of the SHA-256 of its id. Providers draw ids at random, so a
/// client cannot find two ids with the same 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId([u8; 16]);

impl ObjectId {
    /// Makes the digest of an id as written in a path, a parameter or an answer.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut hasher = IdHasher::default();
        hasher.push(text);
        hasher.finish()
    }

    /// Wraps 16 bytes that are already a digest.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads 32 hexadecimal digits; `None` for anything else.
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

    /// The id of the event about this object. It is the same on every proxy and at every repetition, so that the event
    /// is counted once.
    #[must_use]
    pub fn event(&self, what: ObjectEvent) -> [u8; 16] {
        let name: &[u8] = match what {
            ObjectEvent::Settled => b"settled",
            ObjectEvent::Found => b"found",
        };
        let digest = Sha256::new().chain_update(name).chain_update(self.0);
        leading(&digest.finalize())
    }
}

/// What an event about an object reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEvent {
    /// Its final usage.
    Settled,
    /// That another object of the same maker names it.
    Found,
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({})", self.to_hex())
    }
}

/// Makes an [`ObjectId`] from a text in pieces.
#[derive(Clone, Debug, Default)]
pub struct IdHasher(Sha256);

impl IdHasher {
    /// Adds the next piece of the text.
    pub fn push(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Ends the text and returns its digest.
    #[must_use]
    pub fn finish(self) -> ObjectId {
        ObjectId(leading(&self.0.finalize()))
    }
}

fn leading(digest: &[u8]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}
