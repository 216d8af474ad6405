//! How people sign in, and for how long.

use std::time::Duration;

use gmtech_core::address::AddressSet;
use gmtech_core::ident::TeamId;

use crate::store::MemberRole;

/// How people sign in, and for how long.
#[derive(Clone)]
pub struct PeopleConfig {
    /// Where browsers reach the pages, as `https://gate.example.com`, without a path and without a slash at the end. With
    /// `None` the request's own `Host` counts, and cookies are not bound to https.
    pub public_url: Option<String>,
    /// A session ends when it was not used for this long.
    pub session_idle: Duration,
    /// A session ends this long after the sign-in.
    pub session_life: Duration,
    /// The peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Option<AddressSet>,
    /// The provider that people sign in with, besides passwords and links.
    pub oidc: Option<OidcConfig>,
}

/// An OpenID Connect provider, and what its groups mean here.
#[derive(Clone)]
pub struct OidcConfig {
    /// The issuer's address; its description is at `/.well-known/openid-configuration` below it.
    pub issuer: String,
    /// As what this service is known there.
    pub client_id: String,
    /// The secret that proves it. Never printed.
    pub client_secret: Option<String>,
    /// What the button on the sign-in page says: `Sign in with NAME`.
    pub name: String,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that lists a person's groups.
    pub groups_claim: String,
    /// Take addresses that the provider has not verified.
    pub accept_unverified_email: bool,
    /// The groups whose members are administrators. With none, the provider says nothing of that.
    pub admin_groups: Vec<String>,
    /// What groups are to teams.
    pub groups: Vec<GroupRole>,
}

/// What the members of a provider's group are to a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the provider calls it.
    pub group: String,
    /// The team.
    pub team: TeamId,
    /// The role in it.
    pub role: MemberRole,
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            session_idle: Duration::from_secs(12 * 3_600),
            session_life: Duration::from_secs(7 * 86_400),
            trusted_proxies: None,
            oidc: None,
        }
    }
}

impl PeopleConfig {
    /// Whether browsers come by https only.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }
}
