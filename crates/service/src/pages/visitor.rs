//! Who looks at a page: the person of the session.
//!
//! Somebody without a session is sent to the sign-in page, and comes back afterwards.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, header};
use gmtech_core::ident::TeamId;
use tower_sessions::Session;

use super::error::PageError;
use super::notice::{self, Notice};
use crate::caller::Caller;
use crate::ops;
use crate::service::Service;
use crate::sessions::CSRF;
use crate::store::{MemberRole, PageRequest, Team};

/// The team that was looked at last, in a session's data.
const LAST_TEAM: &str = "team";

/// How many teams an administrator's list has.
const LISTED: u32 = 100;

/// A person who has signed in.
pub(crate) struct Visitor {
    /// What the use-cases ask for.
    pub(crate) caller: Caller,
    /// The person's id.
    pub(crate) id: String,
    /// The address that names the person.
    pub(crate) email: String,
    /// What people call the person.
    pub(crate) name: String,
    /// Whether there is a password.
    pub(crate) has_password: bool,
    /// Whether the person administers the service.
    pub(crate) admin: bool,
    /// The teams that the person may see, by id. An administrator's are the first hundred, the one that is asked for, and the
    /// one that was looked at last.
    pub(crate) teams: Vec<Membership>,
    /// What every form must send back as `csrf`.
    pub(crate) csrf: String,
    /// What is to be said once, on the page that this request shows.
    pub(crate) notices: Vec<Notice>,
    last_team: Option<String>,
    session: Session,
}

/// A team, and what the visitor is to it.
pub(crate) struct Membership {
    /// The team.
    pub(crate) team: Team,
    /// What the visitor is to it. An administrator is an owner of every team.
    pub(crate) role: MemberRole,
}

impl Visitor {
    /// The team that is looked at: the one asked for; else the last one looked at; else the first.
    ///
    /// # Errors
    /// 404 for a team that this visitor may not see or that does not exist, and for a visitor without teams.
    pub(crate) fn team(&self, asked: Option<&str>) -> Result<&Membership, PageError> {
        let find = |id: &str| self.teams.iter().find(|of| of.team.id.as_str() == id);
        match asked.filter(|asked| !asked.is_empty()) {
            Some(asked) => find(asked).ok_or_else(|| PageError::not_found("team")),
            None => (self.last_team.as_deref().and_then(find))
                .or(self.teams.first())
                .ok_or_else(|| PageError::no_team(self.admin)),
        }
    }

    /// The session, for what lasts longer than a request.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

impl FromRequestParts<Arc<Service>> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, PageError> {
        let session = session(parts)?;
        let Some(of) = ops::sign_in::who(service, &session).await? else {
            return Err(PageError::sign_in(parts));
        };
        let asked = asked_team(parts);
        let last: Option<String> = session.get(LAST_TEAM).await?;
        let caller = Caller::person(&of);
        let mut teams: Vec<Membership> = of
            .teams
            .into_iter()
            .map(|(team, role)| Membership { team, role })
            .collect();
        if of.person.admin {
            teams = of_administrator(service, &caller, asked.as_deref(), last.as_deref()).await?;
        }
        let sees = |id: &str| teams.iter().any(|of| of.team.id.as_str() == id);
        if let Some(asked) = asked.filter(|asked| last.as_ref() != Some(asked) && sees(asked)) {
            session.insert(LAST_TEAM, asked).await?;
        }
        let notices = match shows_a_page(parts) {
            true => notice::take(&session).await?,
            false => Vec::new(),
        };
        Ok(Self {
            caller,
            id: of.person.id,
            email: of.person.email,
            name: of.person.name,
            has_password: of.person.has_password,
            admin: of.person.admin,
            teams,
            csrf: session.get(CSRF).await?.unwrap_or_default(),
            notices,
            last_team: last,
            session,
        })
    }
}

/// The session of a request.
pub(super) fn session(parts: &Parts) -> Result<Session, PageError> {
    let session = parts.extensions.get::<Session>().cloned();
    session.ok_or_else(PageError::unavailable)
}

async fn of_administrator(
    service: &Service,
    caller: &Caller,
    asked: Option<&str>,
    last: Option<&str>,
) -> Result<Vec<Membership>, PageError> {
    let first = PageRequest {
        after: None,
        limit: LISTED,
    };
    let mut teams = ops::teams::list(service, caller, &first).await?.items;
    for id in [asked, last].into_iter().flatten() {
        if teams.iter().all(|team| team.id.as_str() != id)
            && let Ok(id) = TeamId::new(id)
            && let Ok(team) = ops::teams::show(service, caller, id.as_str()).await
        {
            teams.push(team);
        }
    }
    teams.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    let own = |team| Membership {
        team,
        role: MemberRole::Owner,
    };
    Ok(teams.into_iter().map(own).collect())
}

/// The team of the address.
fn asked_team(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let pairs: Vec<(String, String)> = serde_html_form::from_str(query).ok()?;
    let team = pairs.into_iter().find(|(name, _)| name == "team")?.1;
    (!team.is_empty()).then_some(team)
}

/// Whether the answer is a page that a person reads, and not a file or a stream of a script.
fn shows_a_page(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    parts.method == Method::GET && accept.is_none_or(|accept| accept.contains("text/html"))
}
