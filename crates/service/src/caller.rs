//! Authorization: who calls, and what that caller may do. Each use-case that changes something needs a value from here.
//!
//! A program sends a token in `Authorization: Bearer`, and [`Service::authenticate`] checks it. A person comes with a session,
//! and [`crate::pages`] checks that. Both are a [`Caller`], and the use-cases are the same.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gmtech_core::ident::TeamId;

use crate::authenticate::Listener;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Authority, By, KeyInfo, MemberRole, Person, PersonTeams, Role, ServiceToken};

/// An authenticated caller.
pub struct Caller(Who);

enum Who {
    Token(ServiceToken),
    Person {
        person: Person,
        roles: Vec<(TeamId, MemberRole)>,
    },
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, ApiError> {
        let token = service.authenticate(Listener::Management, parts).await?;
        Ok(Self::token_of(token))
    }
}

impl Caller {
    /// A program that calls with this token.
    #[must_use]
    pub fn token_of(token: ServiceToken) -> Self {
        Self(Who::Token(token))
    }

    /// A person who has signed in.
    #[must_use]
    pub fn person(of: &PersonTeams) -> Self {
        let roles = of.teams.iter().map(|(team, role)| (team.id.clone(), *role));
        Self(Who::Person {
            person: of.person.clone(),
            roles: roles.collect(),
        })
    }

    /// The token that calls; `None` for a person.
    #[must_use]
    pub fn token(&self) -> Option<&ServiceToken> {
        match &self.0 {
            Who::Token(token) => Some(token),
            Who::Person { .. } => None,
        }
    }

    /// The address of the person who calls; `None` for a token.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        match &self.0 {
            Who::Token(_) => None,
            Who::Person { person, .. } => Some(&person.email),
        }
    }

    /// Whether this caller may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        match &self.0 {
            Who::Token(token) => token.role == Role::Admin,
            Who::Person { person, .. } => person.admin,
        }
    }

    /// The only team that this caller may see; `None` is all of them.
    ///
    /// # Errors
    /// For a person of no team, or of several, who must say which one is meant.
    pub fn only_team(&self) -> Result<Option<&TeamId>, ApiError> {
        match &self.0 {
            Who::Token(token) => Ok(token.team.as_ref()),
            Who::Person { person, .. } if person.admin => Ok(None),
            Who::Person { roles, .. } => match roles.as_slice() {
                [(team, _)] => Ok(Some(team)),
                [] => Err(ApiError::forbidden("You are a member of no team yet.").of("team")),
                _ => Err(ApiError::invalid("team", "Say which team you mean.")),
            },
        }
    }

    /// Narrows what was asked for to what this caller may see. It does not check that the team exists:
    /// [`crate::ops::teams::narrow`] does.
    pub(crate) fn narrow(&self, asked: Option<TeamId>) -> Result<Option<TeamId>, ApiError> {
        match asked {
            Some(team) => self.may_see(&team).map(|()| Some(team)),
            None => Ok(self.only_team()?.cloned()),
        }
    }

    /// Refuses another team's things as if they did not exist.
    pub(crate) fn may_see(&self, team: &TeamId) -> Result<(), ApiError> {
        let sees = match &self.0 {
            Who::Token(token) => token.team.as_ref().is_none_or(|own| own == team),
            Who::Person { person, roles } => {
                person.admin || roles.iter().any(|(own, _)| own == team)
            }
        };
        match sees {
            true => Ok(()),
            false => Err(ApiError::not_found("team")),
        }
    }

    /// As [`Caller::may_see`], for a key.
    pub(crate) fn may_see_key(&self, key: &KeyInfo) -> Result<(), ApiError> {
        self.may_see(&key.record.team)
            .map_err(|_| ApiError::not_found("key"))
    }

    /// What this person is to the team; administrators are owners of each. `None` for tokens and strangers.
    #[must_use]
    pub fn role_in(&self, team: &TeamId) -> Option<MemberRole> {
        match &self.0 {
            Who::Token(_) => None,
            Who::Person { person, .. } if person.admin => Some(MemberRole::Owner),
            Who::Person { roles, .. } => roles
                .iter()
                .find(|(own, _)| own == team)
                .map(|(_, role)| *role),
        }
    }

    /// Who acts, if this caller may change things of `team`.
    pub(crate) fn may_change(&self, team: &TeamId) -> Result<By, ApiError> {
        self.may_see(team)?;
        match &self.0 {
            Who::Token(token) => match token.role {
                Role::Admin | Role::TeamAdmin => Ok(self.by()),
                Role::Reader | Role::Proxy => Err(ApiError::forbidden("This token may only read.")),
            },
            Who::Person { .. } => match self.role_in(team) {
                Some(MemberRole::Owner) => Ok(self.by()),
                _ => Err(ApiError::forbidden(
                    "Only owners of the team may do this. Ask one of them, or an administrator.",
                )),
            },
        }
    }

    /// Who acts, if this caller may make a key of `team` that `owner` owns.
    pub(crate) fn may_make_key(&self, team: &TeamId, owner: Option<&str>) -> Result<By, ApiError> {
        self.may_see(team)?;
        match (self.role_in(team), self.email()) {
            (Some(MemberRole::Developer), Some(own)) => match owner {
                Some(owner) if owner.eq_ignore_ascii_case(own) => Ok(self.by()),
                _ => Err(ApiError::forbidden(
                    "As a developer you make and manage keys that you own: the owner must be your own address.",
                )
                .of("owner")),
            },
            (Some(MemberRole::Viewer), _) => Err(ApiError::forbidden(
                "As a viewer you see keys, and cannot make or change them. Ask an owner of the team.",
            )),
            _ => self.may_change(team),
        }
    }

    /// Who acts, if this caller may change, rotate, suspend or revoke this key.
    pub(crate) fn may_manage_key(&self, key: &KeyInfo) -> Result<By, ApiError> {
        self.may_see_key(key)?;
        self.may_make_key(&key.record.team, key.owner.as_deref())
            .map_err(|error| match self.role_in(&key.record.team) {
                Some(MemberRole::Developer) => ApiError::forbidden(
                    "As a developer you manage keys that you own. This one is not yours: ask its owner, or an owner of the team.",
                ),
                _ => error,
            })
    }

    /// The owner of a key that this caller makes without saying whose it is: a developer's own address.
    pub(crate) fn usual_owner(&self, team: &TeamId) -> Option<&str> {
        match self.role_in(team) {
            Some(MemberRole::Developer) => self.email(),
            _ => None,
        }
    }

    /// Who acts, if this caller may do everything.
    pub(crate) fn must_be_admin(&self) -> Result<By, ApiError> {
        match (&self.0, self.is_admin()) {
            (_, true) => Ok(self.by()),
            (Who::Token(_), false) => Err(ApiError::forbidden(
                "This needs a token with the admin role.",
            )),
            (Who::Person { .. }, false) => Err(ApiError::forbidden(
                "Only administrators of the service may do this.",
            )),
        }
    }

    fn by(&self) -> By {
        let actor = match &self.0 {
            Who::Token(token) => &token.id,
            Who::Person { person, .. } => &person.email,
        };
        By {
            actor: actor.clone(),
            now: Millis::now(),
            authority: match self.is_admin() {
                true => Authority::Full,
                false => Authority::Team,
            },
        }
    }
}
