//! How people sign in, and for how long.

use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderName;
use gmtech_core::address::AddressSet;
use gmtech_core::ident::TeamId;

use crate::secret::Token;
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
    /// The peers whose `X-Forwarded-For` is believed, and whose identity header.
    pub trusted_proxies: Option<AddressSet>,
    /// The provider that people sign in with, besides passwords and links.
    pub oidc: Option<OidcConfig>,
    /// The header in which a trusted proxy says who asks.
    pub identity_header: Option<IdentityHeader>,
    /// Whether provider and header let in people whom nobody has invited or added, and to whom no group gives a role.
    pub admits_anyone: bool,
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
    /// What the groups give.
    pub groups: Vec<GroupRole>,
    /// Take addresses that the provider has not verified. They are never linked to an account that is there.
    pub accepts_unverified_email: bool,
    /// Sign people in as the account with their verified address, though the provider never led to it before.
    pub links_accounts: bool,
    /// Certificates (PEM) that are trusted for the provider, besides the usual ones.
    pub ca: Option<Vec<u8>>,
}

/// A header in which a proxy says who asks.
#[derive(Clone)]
pub struct IdentityHeader {
    /// The header that holds the person's address.
    pub name: HeaderName,
    /// What the proxy proves itself with.
    pub secret: Token,
}

/// What the members of a provider's group are here. Written `GROUP=admin` or `GROUP=TEAM:ROLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the provider calls it.
    pub group: String,
    /// What it gives.
    pub gives: Gives,
}

/// What a group gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// To administer the service.
    Admin,
    /// A role in a team.
    Role(TeamId, MemberRole),
}

impl FromStr for GroupRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "must be GROUP=admin or GROUP=TEAM:ROLE, where ROLE is owner, developer or viewer";
        // A group's name may have an `=` of its own.
        let (group, gives) = text.rsplit_once('=').ok_or(FORM)?;
        if group.is_empty() {
            return Err(FORM.into());
        }
        let gives = match gives.split_once(':') {
            None if gives == "admin" => Gives::Admin,
            None => return Err(FORM.into()),
            Some((team, role)) => {
                let team = TeamId::new(team).map_err(|why| format!("{team}: {why}"))?;
                let role = match role {
                    "owner" => MemberRole::Owner,
                    "developer" => MemberRole::Developer,
                    "viewer" => MemberRole::Viewer,
                    _ => return Err(FORM.into()),
                };
                Gives::Role(team, role)
            }
        };
        Ok(Self {
            group: group.to_owned(),
            gives,
        })
    }
}

impl Default for PeopleConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            session_idle: Duration::from_secs(12 * 3_600),
            session_life: Duration::from_secs(7 * 86_400),
            trusted_proxies: None,
            oidc: None,
            identity_header: None,
            admits_anyone: false,
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

impl OidcConfig {
    /// A provider whose groups give nothing.
    #[must_use]
    pub fn new(issuer: String, client_id: String) -> Self {
        Self {
            issuer,
            client_id,
            client_secret: None,
            name: "single sign-on".into(),
            scopes: vec!["email".into(), "profile".into()],
            groups_claim: "groups".into(),
            groups: Vec::new(),
            accepts_unverified_email: false,
            links_accounts: false,
            ca: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_gives_what_is_written() {
        let role = |team: &str, role| Some(Gives::Role(TeamId::new(team).unwrap(), role));
        for (text, group, gives) in [
            ("platform=admin", "platform", Some(Gives::Admin)),
            (
                "acme-devs=acme:developer",
                "acme-devs",
                role("acme", MemberRole::Developer),
            ),
            (
                "/acme/all=acme:viewer",
                "/acme/all",
                role("acme", MemberRole::Viewer),
            ),
            ("cn=x=acme:owner", "cn=x", role("acme", MemberRole::Owner)),
            (
                "All Staff=acme:viewer",
                "All Staff",
                role("acme", MemberRole::Viewer),
            ),
            ("platform", "", None),
            ("=admin", "", None),
            ("platform=", "", None),
            ("platform=Admin", "", None),
            ("platform=admin:owner:x", "", None),
            ("platform=acme:admin", "", None),
            ("platform=:owner", "", None),
            ("platform=no team:owner", "", None),
        ] {
            let read = text.parse::<GroupRole>().ok();
            let expected = gives.map(|gives| GroupRole {
                group: group.into(),
                gives,
            });
            assert_eq!(read, expected, "{text}");
        }
    }
}
