//! What is asked of keys. Fields are as a person wrote them; [`crate::manage::fields`] says what they must be.

use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::Status;
use serde::{Deserialize, Serialize};

use crate::manage::fields;
use crate::store::{Budgets, LimitsSchema};

/// A key to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// The team that it is billed with; must exist.
    pub team: String,
    /// What its owner calls it.
    pub name: String,
    /// `free` by default.
    #[serde(default)]
    pub tier: Option<String>,
    /// Patterns such as `gpt-4o*`; by default what the tier allows.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    pub limits: LimitOverrides,
    /// RFC 3339; never by default.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// What it may spend.
    #[serde(default)]
    pub budgets: Budgets,
}

/// Several keys to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeys {
    /// 1 to 1000 keys.
    pub keys: Vec<CreateKey>,
}

/// What of a key to change; an absent field keeps what there is.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateKey {
    /// What its owner calls it.
    pub name: Option<String>,
    /// The tier whose limits apply.
    pub tier: Option<String>,
    /// Null leaves it to the tier.
    #[serde(deserialize_with = "fields::present")]
    pub models: Option<Option<Vec<String>>>,
    /// All limits at once: what is not named is the tier's again.
    #[schema(value_type = Option<LimitsSchema>)]
    pub limits: Option<LimitOverrides>,
    /// RFC 3339; null is never.
    #[serde(deserialize_with = "fields::present")]
    pub expires_at: Option<Option<String>>,
    /// Both budgets at once.
    pub budgets: Option<Budgets>,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    /// How long the old key goes on, in seconds: a day by default, 0 to 90 days.
    pub overlap_seconds: Option<u64>,
}

/// Which keys to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListKeys {
    /// Only of this team.
    pub team: Option<String>,
    /// Only with this status, as it was set; expiry is not looked at.
    #[param(value_type = Option<String>)]
    pub status: Option<Status>,
}
