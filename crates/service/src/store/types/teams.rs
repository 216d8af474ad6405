//! Teams.

use gmtech_core::ident::TeamId;
use serde::{Deserialize, Serialize};

use super::{Once, Policy};
use crate::clock::Millis;

/// A team to be stored.
#[derive(Clone, Debug)]
pub struct NewTeam {
    /// Its id.
    pub id: TeamId,
    /// What people call it.
    pub name: String,
    /// Whether it may only spend what it has topped up.
    pub prepaid: bool,
    /// What its own administrators may do with keys; `None` is the default.
    pub policy: Option<Policy>,
    /// Makes it happen once.
    pub once: Option<Once>,
}

/// What creating a team gave.
#[derive(Clone, Debug)]
pub struct CreatedTeam {
    /// The team.
    pub team: Team,
    /// Whether an earlier call made it.
    pub replayed: bool,
}

/// A billing account.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Team {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// Whether it may only spend what it has topped up; the first top-up makes it so.
    pub prepaid: bool,
    /// Top-ups less the costs of its keys, in nano-dollars (10⁻⁹ USD).
    pub balance_nano_usd: i64,
    /// Prepaid and nothing left: its keys are answered 429 `insufficient_quota`.
    pub exhausted: bool,
    /// What its own administrators may do with keys; null is the default: the default tier, and nothing lifted or raised.
    pub policy: Option<Policy>,
    /// From when on nothing is done with it any more; null where it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Millis>,
    /// The version of its last change.
    pub version: u64,
}

/// What of a team to change.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPatch {
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it may only spend what it has topped up.
    #[serde(default)]
    pub prepaid: Option<bool>,
    /// All that its own administrators may do with keys; null is the default.
    #[serde(default, deserialize_with = "crate::json::present")]
    #[schema(value_type = Option<Policy>)]
    pub policy: Option<Option<Policy>>,
}
