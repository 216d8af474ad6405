//! Sessions of browsers.

use crate::clock::Millis;
use crate::secret::TokenDigest;

/// A session. The text that a browser shows is known by its digest only.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSession {
    /// Its digest.
    pub digest: TokenDigest,
    /// Who has signed in.
    pub person: Option<String>,
    /// What is remembered, as JSON.
    pub data: String,
    /// When it was last shown, up to a minute late.
    pub seen_at: Millis,
    /// When it ends, whether it is used or not.
    pub expires_at: Millis,
}
