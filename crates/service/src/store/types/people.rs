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

/// Somebody whom others vouch for: a provider, or a proxy in front of the pages.
#[derive(Clone, Debug)]
pub struct ProvidedPerson {
    /// Who vouches.
    pub voucher: Voucher,
    /// The address, in lower case; `None` where none is known that may be trusted.
    pub email: Option<String>,
    /// The name.
    pub name: String,
    /// The id of an account that has to be made.
    pub id: String,
    /// Whether an account that is there with this address may be taken, though the voucher never led to it before.
    pub takes_account: bool,
    /// Whether somebody is let in whom nobody has invited or added, and to whom no group gives a role.
    pub admits_anyone: bool,
}

/// Who vouches for a person.
#[derive(Clone, Debug)]
pub enum Voucher {
    /// A provider.
    Provider {
        /// Its issuer.
        issuer: String,
        /// The person's id there.
        subject: String,
        /// What its groups make of the person. What they gave before, and give no more, is taken away.
        gives: ProvidedRoles,
    },
    /// A proxy, which names the address and says nothing of roles.
    Proxy,
}

/// What a provider's groups make of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvidedRoles {
    /// Whether they make an administrator.
    pub admin: bool,
    /// The role in each team, a team once.
    pub roles: Vec<(TeamId, MemberRole)>,
}

/// What came of somebody whom others vouch for.
#[derive(Clone, Debug)]
pub enum Provided {
    /// The person has signed in.
    SignedIn(Person),
    /// There is an account with this address that may not be taken.
    Taken,
    /// Nobody knows this person, or the address is missing.
    Unknown,
}

/// An account at a provider that signs a person in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider's issuer.
    pub issuer: String,
    /// Since when.
    pub created_at: Millis,
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
