//! Authentication: finds the credential in a head, and judges the record of its key.
//!
//! # Failure policy
//! Every credential that is not accepted gets the same status and code. Only the message differs: it names the likely
//! mistake, and never shows a byte of the credential.

use std::sync::Arc;

use crate::head::Head;
use crate::ident::{KeyId, TeamId, TierName};
use crate::key::{ApiKey, NotAKey, holds_key};
use crate::record::{KeyRecord, Status};
use crate::tier::Tier;

/// A header that can carry a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialHeader {
    /// `authorization: Bearer KEY` (RFC 6750), as every OpenAI SDK sends it.
    Authorization,
    /// `x-api-key: KEY`, as the Anthropic SDKs send it.
    XApiKey,
    /// `api-key: KEY`, as the Azure OpenAI clients send it.
    ApiKey,
    /// `x-goog-api-key: KEY`, as the Gemini SDKs send it.
    XGoogApiKey,
}

impl CredentialHeader {
    /// All of them. Every one is removed before the request goes upstream, whether it is accepted or not.
    pub const ALL: [Self; 4] = [
        Self::Authorization,
        Self::XApiKey,
        Self::ApiKey,
        Self::XGoogApiKey,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::XApiKey => "x-api-key",
            Self::ApiKey => "api-key",
            Self::XGoogApiKey => "x-goog-api-key",
        }
    }
}

/// Why a request has no active key. All are 401 `invalid_api_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// No credential header at all.
    #[error(
        "no key was sent. Send it in the header 'Authorization: Bearer gmtech_...' (the api_key of an OpenAI client)."
    )]
    Missing,
    /// A key was sent in a header that the configuration does not accept.
    #[error(
        "the key was sent in another header. Send it as 'Authorization: Bearer gmtech_...' (the auth_token of an Anthropic client)."
    )]
    OtherHeader,
    /// Another scheme than `Bearer` (`Basic …`), or a key without a scheme.
    #[error(
        "the Authorization header does not use the Bearer scheme. Write 'Authorization: Bearer gmtech_...'."
    )]
    OtherScheme,
    /// `Bearer` without a key.
    #[error(
        "the Authorization header holds no key after 'Bearer'. Is the variable that holds your key empty?"
    )]
    Empty,
    /// `Bearer Bearer …`.
    #[error(
        "the word 'Bearer' stands twice. Give the client the key alone; it adds 'Bearer' by itself."
    )]
    BearerTwice,
    /// Quotation marks around the key.
    #[error("the key is in quotation marks. Remove them.")]
    Quoted,
    /// White space within the key.
    #[error("there is white space inside the key. Copy it again, as one word.")]
    WhiteSpace,
    /// Several credentials that differ.
    #[error("several keys were sent. Send exactly one.")]
    Several,
    /// Another provider's key.
    #[error(
        "the key does not start with 'gmtech_', so it is not one of ours. Is it another provider's key?"
    )]
    WrongPrefix,
    /// Control or non-ASCII bytes.
    #[error("the key holds a character that no key has. Copy it again.")]
    BadCharacter,
    /// Longer than any key.
    #[error("the text sent is much longer than a key. Copy the key again.")]
    TooLong,
    /// Wrong length or checksum.
    #[error(
        "the key looks mistyped or cut: its length or its check digits are wrong. Copy it again."
    )]
    Mistyped,
    /// Well formed, but not known.
    #[error(
        "the key is not active: no such key is known here. It may belong to another environment or have been deleted."
    )]
    Unknown,
    /// Paused by its owner.
    #[error("the key is not active: it is suspended. Its team can resume it on the API keys page.")]
    Suspended,
    /// Past its expiry.
    #[error("the key is not active: it has expired. Create a new one on the API keys page.")]
    Expired,
    /// The URL contains a key. Proxies and logs record URLs.
    #[error(
        "the URL contains a key. URLs end up in logs: revoke that key, and send a new one in the Authorization header."
    )]
    InUrl,
}

/// Why a known key may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 401: the key is not active.
    Invalid(InvalidKey),
    /// 403: the key was revoked.
    Revoked,
}

/// The authenticated key that a request is attributed to. Only [`judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    record: KeyRecord,
    tier: Option<Arc<Tier>>,
}

impl Principal {
    /// The key's public name.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.record.id
    }

    /// The key whose limits its requests count against ([`KeyRecord::account`]).
    #[must_use]
    pub fn account(&self) -> &KeyId {
        self.record.account()
    }

    /// The team that pays.
    #[must_use]
    pub fn team(&self) -> &TeamId {
        &self.record.team
    }

    /// The name of the tier whose limits and models apply.
    #[must_use]
    pub fn tier(&self) -> &TierName {
        &self.record.tier
    }

    /// The same principal with what its tier is. Without it nothing is allowed.
    #[must_use]
    pub fn of_tier(self, tier: Option<Arc<Tier>>) -> Self {
        Self { tier, ..self }
    }

    /// The tier's limits and models; `None` if no tier of that name is known.
    #[must_use]
    pub fn tier_in_force(&self) -> Option<&Tier> {
        self.tier.as_deref()
    }

    /// The whole record.
    #[must_use]
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }
}

/// Finds the one credential in the `accepted` headers. Several headers may hold it, if all hold the same key.
///
/// # Errors
/// [`InvalidKey`] names the likely mistake.
pub fn credential(head: &Head<'_>, accepted: &[CredentialHeader]) -> Result<ApiKey, InvalidKey> {
    if holds_key(head.target()) {
        return Err(InvalidKey::InUrl);
    }
    let mut found: Option<ApiKey> = None;
    for header in accepted {
        for value in head.all(header.name()) {
            let key = match header {
                CredentialHeader::Authorization => bearer(value)?,
                _ => key_text(value.trim_ascii())?,
            };
            match &found {
                Some(other) if *other != key => return Err(InvalidKey::Several),
                _ => found = Some(key),
            }
        }
    }
    found.ok_or_else(|| {
        let elsewhere = CredentialHeader::ALL
            .iter()
            .any(|h| head.get(h.name()).is_some_and(holds_key));
        if elsewhere {
            InvalidKey::OtherHeader
        } else {
            InvalidKey::Missing
        }
    })
}

/// Judges the `record` of `key` (`None` if the key is not known). `wall` is the time in seconds since the Unix epoch.
///
/// # Errors
/// [`Refused`] if there is no record, or if the key is suspended, revoked or expired.
pub fn judge(key: &ApiKey, record: Option<&KeyRecord>, wall: u64) -> Result<Principal, Refused> {
    let Some(record) = record else {
        return Err(Refused::Invalid(if key.is_well_formed() {
            InvalidKey::Unknown
        } else {
            InvalidKey::Mistyped
        }));
    };
    match record.status {
        Status::Revoked => return Err(Refused::Revoked),
        Status::Suspended => return Err(Refused::Invalid(InvalidKey::Suspended)),
        Status::Active => {}
    }
    if record.expires_at.is_some_and(|end| wall >= end) {
        return Err(Refused::Invalid(InvalidKey::Expired));
    }
    Ok(Principal {
        record: record.clone(),
        tier: None,
    })
}

/// Reads the key from an `authorization` value. Any letter case of the scheme, several spaces after it and trailing
/// white space are accepted, since SDKs send them.
fn bearer(value: &[u8]) -> Result<ApiKey, InvalidKey> {
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err(InvalidKey::Empty);
    }
    let (scheme, rest) = split_word(value);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(InvalidKey::OtherScheme);
    }
    let (first, more) = split_word(rest);
    if first.eq_ignore_ascii_case(b"bearer") {
        return Err(InvalidKey::BearerTwice);
    }
    // Envoy merges two authorization headers into one value, `Bearer a,Bearer b`.
    let merged = |text: &[u8]| {
        text.to_ascii_lowercase()
            .windows(7)
            .any(|w| w == b",bearer")
    };
    if merged(rest) || (first.ends_with(b",") && split_word(more).0.eq_ignore_ascii_case(b"bearer"))
    {
        return Err(InvalidKey::Several);
    }
    key_text(rest)
}

fn key_text(text: &[u8]) -> Result<ApiKey, InvalidKey> {
    let quote = |b: Option<&u8>| matches!(b, Some(b'"' | b'\'' | b'`'));
    if text.is_empty() {
        return Err(InvalidKey::Empty);
    }
    if quote(text.first()) || quote(text.last()) {
        return Err(InvalidKey::Quoted);
    }
    let key = ApiKey::parse(text);
    if text.iter().any(u8::is_ascii_whitespace) && key != Err(NotAKey::WrongPrefix) {
        return Err(InvalidKey::WhiteSpace);
    }
    key.map_err(|e| match e {
        NotAKey::WrongPrefix => InvalidKey::WrongPrefix,
        NotAKey::Empty => InvalidKey::Mistyped,
        NotAKey::TooLong => InvalidKey::TooLong,
        NotAKey::BadCharacter => InvalidKey::BadCharacter,
    })
}

/// The first word and what follows it, both without white space around them.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    (word, rest.trim_ascii())
}

#[cfg(test)]
mod tests;
