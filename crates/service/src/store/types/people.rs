//! People who sign in.

use gmtech_core::ident::TeamId;
use serde::Serialize;

use super::{MemberRole, Team};
use crate::clock::Millis;
use crate::secret::TokenDigest;

/// Somebody who signs in.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Person {
    /// The id.
    pub id: String,
    /// The address that names the person, in lower case.
    pub email: String,
    /// What people call this person.
    pub name: String,
    /// Whether the person administers the service.
    pub admin: bool,
    /// Whether there is a password; otherwise the person signs in by a provider or by links.
    pub has_password: bool,
    /// When the account was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// When the person last signed in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_sign_in_at: Option<Millis>,
    /// Sessions of an earlier generation have ended.
    #[serde(skip)]
    pub generation: i64,
}

/// A person, with what a password is compared with.
#[derive(Clone)]
pub struct Account {
    /// The person.
    pub person: Person,
    /// The password's digest, as a PHC string. Never printed.
    pub password: Option<String>,
}

/// A person, and what the person is to each team.
#[derive(Clone, Debug)]
pub struct PersonTeams {
    /// The person.
    pub person: Person,
    /// The teams by id, with the role in each.
    pub teams: Vec<(Team, MemberRole)>,
}

/// An account to be made.
#[derive(Clone)]
pub struct NewPerson {
    /// The id.
    pub id: String,
    /// The address, in lower case.
    pub email: String,
    /// What people call this person.
    pub name: String,
    /// The password's digest, as a PHC string.
    pub password: Option<String>,
    /// Whether the person administers the service.
    pub admin: bool,
}

/// What to change of a person. `None` leaves it as it is.
#[derive(Clone, Default)]
pub struct PersonPatch {
    /// Another name.
    pub name: Option<String>,
    /// Another password's digest: ends all sessions.
    pub password: Option<String>,
    /// Whether the person administers the service: taking that away ends all sessions.
    pub admin: Option<bool>,
}

/// Who a person is at a provider, and what that provider says of the person's roles.
#[derive(Clone, Debug)]
pub struct ProvidedPerson {
    /// The provider.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
    /// The address, in lower case.
    pub email: String,
    /// The name.
    pub name: String,
    /// The id of an account that has to be made.
    pub id: String,
    /// Whether the provider's groups make the person an administrator; `None` where they say nothing.
    pub admin: Option<bool>,
    /// The teams that the provider's groups speak of, with the role in each; `None` is no role.
    pub roles: Vec<(TeamId, Option<MemberRole>)>,
}

/// A link that signs somebody in, once.
#[derive(Clone, Debug)]
pub struct NewSignInLink {
    /// Its digest.
    pub digest: TokenDigest,
    /// Whom; `None` is the first administrator, who says so himself.
    pub email: Option<String>,
    /// Whether it makes the person an administrator.
    pub admin: bool,
    /// When it ends.
    pub expires_at: Millis,
}

/// A link that still signs somebody in.
#[derive(Clone, Debug, PartialEq)]
pub struct SignInLink {
    /// Whom; `None` is the first administrator.
    pub email: Option<String>,
    /// Whether it makes the person an administrator.
    pub admin: bool,
    /// When it ends.
    pub expires_at: Millis,
}
