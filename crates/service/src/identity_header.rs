//! The header in which a proxy in front of the pages says who asks.
//!
//! It counts from a peer that the operator trusts, with the secret that both know. With one of the two missing the request
//! is refused: it is a mistake of the set-up, or somebody tries to be somebody else.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::client;
use crate::config::PeopleConfig;
use crate::error::ApiError;
use crate::secret;

/// The header in which the proxy shows the secret.
const SECRET: HeaderName = HeaderName::from_static("x-gmtech-identity-secret");

/// Whom a trusted proxy names in this request; `None` where the header is missing or not configured.
///
/// # Errors
/// 403 where anybody else has sent the header, or the header is there more than once.
pub(crate) fn named(people: &PeopleConfig, parts: &Parts) -> Result<Option<String>, ApiError> {
    let Some(config) = &people.identity_header else {
        return Ok(None);
    };
    if !parts.headers.contains_key(&config.name) {
        return Ok(None);
    }
    let trusted = people.trusted_proxies.as_ref();
    let is_trusted = client::peer(parts)
        .zip(trusted)
        .is_some_and(|(peer, of)| of.contains(peer));
    let proof = only(&parts.headers, &SECRET).map(secret::digest);
    let why = match only(&parts.headers, &config.name) {
        _ if !is_trusted => "its peer is none of the trusted proxies",
        _ if proof != Some(config.secret.digest()) => "it does not have the proxy's secret",
        Some(named) => return Ok(Some(named.to_owned())),
        None => "it has several of them, or what is no text",
    };
    tracing::warn!(why, "a request with an identity header was refused");
    Err(ApiError::forbidden(
        "This request says who you are in a header, and does not come from a proxy that may. Use the usual address of this \
         site, or tell an administrator: the log says what is missing.",
    ))
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}
