//! Who calls, and what that allows: the one place that tells. A use-case that changes something needs a value from here
//! to do it.
//!
//! A program shows a token in `Authorization: Bearer`. Another way in (a page's cookie) becomes another arm of
//! [`authenticate`], and nothing behind it changes.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use gmtech_core::ident::TeamId;

use crate::clock::Millis;
use crate::error::ApiError;
use crate::secret;
use crate::service::Service;
use crate::store::{AdminToken, By, KeyInfo, Role};

/// An authenticated caller.
pub struct Caller(AdminToken);

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        authenticate(service, &parts.headers).await
    }
}

/// Who sends these headers.
///
/// # Errors
/// 401 where they show no token, or one that does not work; where the store does not answer.
pub async fn authenticate(service: &Service, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let digest = secret::digest(bearer(headers)?);
    match service.store.token(&digest).await? {
        Some(token) => Ok(Caller(token)),
        None => Err(ApiError::unauthorized(
            "This token is not known, or was revoked.",
        )),
    }
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| ApiError::unauthorized("Send a token as Authorization: Bearer."))?;
    let text = value.to_str().unwrap_or("");
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(ApiError::unauthorized(
            "Send a token as Authorization: Bearer.",
        )),
    }
}

impl Caller {
    /// The token that calls.
    #[must_use]
    pub fn token(&self) -> &AdminToken {
        &self.0
    }

    /// The only team that this caller may see; `None` is all of them.
    #[must_use]
    pub fn only_team(&self) -> Option<&TeamId> {
        self.0.team.as_ref()
    }

    /// Narrows what was asked for to what this caller may see.
    pub(crate) fn narrow(&self, asked: Option<TeamId>) -> Result<Option<TeamId>, ApiError> {
        match (asked, self.only_team()) {
            (Some(team), _) => self.may_see(&team).map(|()| Some(team)),
            (None, only) => Ok(only.cloned()),
        }
    }

    /// Another team's things do not exist for this caller.
    pub(crate) fn may_see(&self, team: &TeamId) -> Result<(), ApiError> {
        match self.only_team() {
            Some(own) if own != team => Err(ApiError::not_found("team")),
            _ => Ok(()),
        }
    }

    /// Likewise for a key.
    pub(crate) fn may_see_key(&self, key: &KeyInfo) -> Result<(), ApiError> {
        self.may_see(&key.record.team)
            .map_err(|_| ApiError::not_found("key"))
    }

    /// Who acts, if this caller may change things of `team`.
    pub(crate) fn may_change(&self, team: &TeamId) -> Result<By, ApiError> {
        self.may_see(team)?;
        match self.0.role {
            Role::Admin | Role::TeamAdmin => Ok(self.by()),
            Role::Reader => Err(ApiError::forbidden("This token may only read.")),
        }
    }

    /// Who acts, if this caller may do everything.
    pub(crate) fn must_be_admin(&self) -> Result<By, ApiError> {
        match self.0.role {
            Role::Admin => Ok(self.by()),
            _ => Err(ApiError::forbidden(
                "This needs a token with the admin role.",
            )),
        }
    }

    fn by(&self) -> By {
        By {
            actor: self.0.id.clone(),
            now: Millis::now(),
        }
    }
}
