//! What is asked of keys and answered, as JSON.

use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::Status;
use serde::{Deserialize, Serialize};

use super::fields;
use super::views::{KeyView, LimitsSchema};
use crate::store::Budgets;
use crate::sync::receipts::Receipt;

/// A key to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// The team that it is billed with; must exist.
    pub(super) team: String,
    /// What its owner calls it.
    pub(super) name: String,
    /// `free` by default.
    #[serde(default)]
    pub(super) tier: Option<String>,
    /// Patterns such as `gpt-4o*`; by default what the tier allows.
    #[serde(default)]
    pub(super) models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    pub(super) limits: LimitOverrides,
    /// RFC 3339; never by default.
    #[serde(default)]
    pub(super) expires_at: Option<String>,
    /// What it may spend.
    #[serde(default)]
    pub(super) budgets: Budgets,
}

/// A new key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct NewKeyView {
    /// The key: shown now and never again. Null where an earlier call with this Idempotency-Key has shown it.
    pub(super) key: Option<String>,
    /// Whether an earlier call with this Idempotency-Key made it. If its answer was lost, revoke or rotate it.
    pub(super) replayed: bool,
    #[serde(flatten)]
    pub(super) view: KeyView,
}

/// What of a key to change; an absent field keeps what there is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateKey {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tier: Option<String>,
    /// Null leaves it to the tier.
    #[serde(default, deserialize_with = "fields::present")]
    pub(super) models: Option<Option<Vec<String>>>,
    /// All limits at once: what is not named is the tier's again.
    #[serde(default)]
    #[schema(value_type = Option<LimitsSchema>)]
    pub(super) limits: Option<LimitOverrides>,
    /// RFC 3339; null is never.
    #[serde(default, deserialize_with = "fields::present")]
    pub(super) expires_at: Option<Option<String>>,
    /// Both budgets at once.
    #[serde(default)]
    pub(super) budgets: Option<Budgets>,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotate {
    /// How long the old key goes on, in seconds: a day by default, 0 to 90 days.
    pub(super) overlap_seconds: Option<u64>,
}

/// What rotating gave.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RotatedView {
    #[serde(flatten)]
    pub(super) new: NewKeyView,
    /// The key that ends.
    pub(super) old: KeyView,
}

/// A changed key, and which proxies have the change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChangedKey {
    #[serde(flatten)]
    pub(super) view: KeyView,
    /// Present where `wait` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt: Option<Receipt>,
}

/// Which keys to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only of this team.
    pub(super) team: Option<String>,
    /// Only with this status, as it was set; expiry is not looked at.
    #[param(value_type = Option<String>)]
    pub(super) status: Option<Status>,
}

/// How long to wait for the proxies.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Milliseconds to wait until all live proxies have the change, at most 60000.
    pub(super) wait: Option<u64>,
}

/// Several keys to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKeys {
    /// 1 to 1000 keys.
    pub(super) keys: Vec<CreateKey>,
}
