//! What the management API shows of a key.

use gmtech_core::model::ModelPattern;
use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::Status;
use serde::Serialize;

use crate::clock::Millis;
use crate::manage::keys::Made;
use crate::store::{Budgets, KeyInfo, LimitsSchema};
use crate::sync::receipts::Receipt;

/// A key without its text.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    /// Names the key; opens nothing.
    pub id: String,
    /// What may be shown of it: `gmtech_ab12…`.
    pub redacted_key: String,
    /// What its owner calls it.
    pub name: String,
    /// The team that it is billed with.
    pub team: String,
    /// The tier whose limits apply.
    pub tier: String,
    /// `active`, `suspended`, `revoked` or `expired`.
    pub status: &'static str,
    /// The models that it may use, within its tier's; null leaves it to the tier.
    pub models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[schema(value_type = LimitsSchema)]
    pub limits: LimitOverrides,
    /// From when on it is refused; null is never.
    pub expires_at: Option<String>,
    /// What it may spend.
    pub budgets: Budgets,
    /// Whether it has spent its budget of the day or of the month.
    pub over_budget: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// The token that made it.
    pub created_by: String,
    /// The start of its last request that was reported; null is never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
    /// The key that replaces it.
    pub rotated_to: Option<String>,
    /// The version of its last change, which every proxy reports once it has it.
    pub version: u64,
}

/// A new key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NewKeyView {
    /// The key: shown now and never again. Null where an earlier call with this Idempotency-Key has shown it.
    key: Option<String>,
    /// Whether an earlier call with this Idempotency-Key made it. If its answer was lost, revoke or rotate it.
    replayed: bool,
    #[serde(flatten)]
    view: KeyView,
}

impl From<Made> for NewKeyView {
    fn from(made: Made) -> Self {
        Self {
            replayed: made.replayed(),
            key: made.text.map(|text| text.reveal().to_owned()),
            view: made.key.into(),
        }
    }
}

/// What rotating gave.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RotatedView {
    #[serde(flatten)]
    new: NewKeyView,
    /// The key that ends.
    old: KeyView,
}

impl From<(Made, KeyInfo)> for RotatedView {
    fn from((new, old): (Made, KeyInfo)) -> Self {
        Self {
            new: new.into(),
            old: old.into(),
        }
    }
}

/// A changed key, and which proxies have the change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChangedKey {
    #[serde(flatten)]
    pub(super) view: KeyView,
    /// Present where `wait` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt: Option<Receipt>,
}

impl From<KeyInfo> for KeyView {
    fn from(key: KeyInfo) -> Self {
        let record = key.record;
        let expired = record
            .expires_at
            .is_some_and(|at| at <= Millis::now().unix_seconds());
        let patterns = |set: gmtech_core::model::ModelSet| -> Vec<String> {
            set.patterns()
                .iter()
                .cloned()
                .map(ModelPattern::into)
                .collect()
        };
        Self {
            status: match record.status {
                Status::Revoked => "revoked",
                _ if expired => "expired",
                Status::Suspended => "suspended",
                Status::Active => "active",
            },
            id: record.id.into(),
            redacted_key: key.redacted,
            name: key.name,
            team: record.team.into(),
            tier: record.tier.into(),
            models: record.models.map(patterns),
            limits: record.limits,
            expires_at: record.expires_at.map(rfc3339),
            budgets: key.budgets,
            over_budget: key.over_budget,
            created_at: key.created_at,
            created_by: key.created_by,
            last_used_at: key.last_used_at,
            rotated_to: key.rotated_to.map(String::from),
            version: key.version,
        }
    }
}

pub(super) fn rfc3339(unix_seconds: u64) -> String {
    Millis(
        i64::try_from(unix_seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1000),
    )
    .to_rfc3339()
}
