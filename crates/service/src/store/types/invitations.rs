//! Invitations into a team.

use gmtech_core::ident::TeamId;
use serde::Serialize;

use super::MemberRole;
use crate::clock::Millis;
use crate::secret::TokenDigest;

/// An invitation to be made.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Its id.
    pub id: String,
    /// The digest of its link's secret.
    pub digest: TokenDigest,
    /// Into which team.
    pub team: TeamId,
    /// Whom, in lower case.
    pub email: String,
    /// As what.
    pub role: MemberRole,
    /// When it ends.
    pub expires_at: Millis,
}

/// An invitation into a team.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Invitation {
    /// Its id.
    pub id: String,
    /// Into which team.
    #[schema(value_type = String)]
    pub team: TeamId,
    /// Whom.
    pub email: String,
    /// As what.
    pub role: MemberRole,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Millis,
    /// When it was accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<Millis>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Millis>,
}

impl Invitation {
    /// Whether it can still be accepted at `now`.
    #[must_use]
    pub fn is_open(&self, now: Millis) -> bool {
        self.accepted_at.is_none() && self.revoked_at.is_none() && now < self.expires_at
    }
}
