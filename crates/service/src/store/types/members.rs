//! Members of teams.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// A member to be added.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// The address that names the person.
    pub email: String,
    /// What the person is to the team: `owner` or `member`.
    pub role: MemberRole,
}

/// What a person is to a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Answers for the team.
    Owner,
    /// Uses its keys.
    Member,
}

/// A person of a team.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Member {
    /// The address that names the person.
    pub email: String,
    /// What the person is to the team.
    pub role: MemberRole,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Millis,
}
