//! Authorization: who calls, and what that caller may do. Each use-case that changes something needs a value from here.
//!
//! A program sends a token in `Authorization: Bearer`, and [`Service::authenticate`] checks it. Another way in (a page's cookie)
//! would be another way to make a [`Caller`]; nothing else would change.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gmtech_core::ident::TeamId;

use crate::authenticate::Listener;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Authority, By, KeyInfo, Role, ServiceToken};

/// An authenticated caller.
pub struct Caller(ServiceToken);

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        service
            .authenticate(Listener::Management, parts)
            .await
            .map(Self)
    }
}

impl Caller {
    /// The token that calls.
    #[must_use]
    pub fn token(&self) -> &ServiceToken {
        &self.0
    }

    /// The only team that this caller may see; `None` is all of them.
    #[must_use]
    pub fn only_team(&self) -> Option<&TeamId> {
        self.0.team.as_ref()
    }

    /// Narrows what was asked for to what this caller may see. It does not check that the team exists:
    /// [`crate::ops::teams::narrow`] does.
    pub(crate) fn narrow(&self, asked: Option<TeamId>) -> Result<Option<TeamId>, ApiError> {
        match (asked, self.only_team()) {
            (Some(team), _) => self.may_see(&team).map(|()| Some(team)),
            (None, only) => Ok(only.cloned()),
        }
    }

    /// Refuses another team's things as if they did not exist.
    pub(crate) fn may_see(&self, team: &TeamId) -> Result<(), ApiError> {
        match self.only_team() {
            Some(own) if own != team => Err(ApiError::not_found("team")),
            _ => Ok(()),
        }
    }

    /// As [`Caller::may_see`], for a key.
    pub(crate) fn may_see_key(&self, key: &KeyInfo) -> Result<(), ApiError> {
        self.may_see(&key.record.team)
            .map_err(|_| ApiError::not_found("key"))
    }

    /// Who acts, if this caller may change things of `team`.
    pub(crate) fn may_change(&self, team: &TeamId) -> Result<By, ApiError> {
        self.may_see(team)?;
        match self.0.role {
            Role::Admin | Role::TeamAdmin => Ok(self.by()),
            Role::Reader | Role::Proxy => Err(ApiError::forbidden("This token may only read.")),
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
            authority: match self.0.role {
                Role::Admin => Authority::Full,
                Role::TeamAdmin | Role::Reader | Role::Proxy => Authority::Team,
            },
        }
    }
}
