//! Members of teams.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// A member to be added.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// The address that names the person.
    pub email: String,
    /// What the person is to the team.
    pub role: MemberRole,
}

/// What a person is to a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Everything of the team but its credit and its policy.
    Owner,
    /// Makes and manages keys of his own, and sees the team's keys and usage.
    Developer,
    /// Sees the team's keys and usage.
    Viewer,
}

impl MemberRole {
    /// As it is written in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// Whether it may more than the other one.
    #[must_use]
    pub fn outranks(self, other: Self) -> bool {
        let rank = |role| match role {
            Self::Owner => 2,
            Self::Developer => 1,
            Self::Viewer => 0,
        };
        rank(self) > rank(other)
    }
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
