//! Tokens of administrators and of proxies.

use gmtech_core::ident::TeamId;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::secret::TokenDigest;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything of one team but its credit.
    TeamAdmin,
    /// Reading: everything, or one team if it has one.
    Reader,
    /// What proxies learn and report, on their own listener; nothing of the management API.
    Proxy,
}

impl Role {
    /// As it is written in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::TeamAdmin => "team_admin",
            Self::Reader => "reader",
            Self::Proxy => "proxy",
        }
    }
}

/// A token to be stored.
#[derive(Clone, Debug)]
pub struct NewServiceToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Its digest.
    pub digest: TokenDigest,
    /// What it allows.
    pub role: Role,
    /// Of which team.
    pub team: Option<TeamId>,
}

/// A token, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ServiceToken {
    /// Its id, which the audit log shows.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// Of which team.
    #[schema(value_type = Option<String>)]
    pub team: Option<TeamId>,
    /// Whether the service was started with it: the next one that is configured replaces it.
    pub configured: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// From when on it is refused; null is never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Millis>,
    /// When it was ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Millis>,
    /// When it was last shown, as far as is known: up to a minute late.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
}

/// How a token has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody revoked it, or another one was configured in its place.
    Revoked(Millis),
    /// Its time was over.
    Expired(Millis),
}

impl ServiceToken {
    /// How it has ended at `now`; `None` while it is valid.
    #[must_use]
    pub fn ended(&self, now: Millis) -> Option<Ended> {
        match (self.revoked_at, self.expires_at) {
            (Some(at), _) => Some(Ended::Revoked(at)),
            (None, Some(at)) if at <= now => Some(Ended::Expired(at)),
            _ => None,
        }
    }
}

/// What configuring a token did.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The token, as it is now. Where it has ended, it opens nothing.
    pub token: ServiceToken,
    /// Those that ended for it, at once.
    pub ended: Vec<ServiceToken>,
    /// The one before, which goes on until its `expires_at`.
    pub overlapping: Option<ServiceToken>,
}
