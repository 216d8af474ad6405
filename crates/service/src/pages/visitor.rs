//! Who looks at a page.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Redirect;

use super::SIGN_IN;
use crate::caller::Caller;
use crate::service::Service;
use crate::store::{MemberRole, Team};

/// A person who has signed in.
pub(crate) struct Visitor {
    /// What the use-cases ask for.
    pub(crate) caller: Caller,
    /// The address that names the person.
    pub(crate) email: String,
    /// Whether the person administers the service.
    pub(crate) admin: bool,
    /// The teams that the person may see, by name. An administrator's are those that were looked at last.
    pub(crate) teams: Vec<Membership>,
    /// What every form must send back as `csrf`.
    pub(crate) csrf: String,
}

/// A team, and what the visitor is to it.
pub(crate) struct Membership {
    /// The team.
    pub(crate) team: Team,
    /// What the visitor is to it.
    pub(crate) role: MemberRole,
}

impl FromRequestParts<Arc<Service>> for Visitor {
    type Rejection = Redirect;

    async fn from_request_parts(
        _parts: &mut Parts,
        _service: &Arc<Service>,
    ) -> Result<Self, Redirect> {
        Err(Redirect::to(SIGN_IN))
    }
}
