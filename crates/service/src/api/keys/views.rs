//! What the management API shows of a key.

use std::collections::BTreeMap;

use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::ModelPattern;
use gmtech_core::request::EndpointGroup;
use serde::Serialize;

use crate::clock::Millis;
use crate::ops::keys::Made;
use crate::ops::proxies::Receipt;
use crate::store::{Budgets, KeyInfo, LimitsSchema, Role, Standing};

/// A key without its text.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KeyView {
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
    /// How it is, as people mean it: the first of `revoked`, `expired`, `suspended` and `over_budget` that is so, or `active`.
    pub status: Standing,
    /// Who suspended it: `admin`, whom a team's own administrators cannot undo, or `team_admin`. Null where it is not.
    pub suspended_by: Option<Role>,
    /// The models that it may use, within its tier's; null leaves it to the tier.
    pub models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[schema(value_type = LimitsSchema)]
    pub limits: LimitOverrides,
    /// From when on it is refused; null is never.
    pub expires_at: Option<String>,
    /// The addresses and networks that it may be used from; null is anywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// The groups of endpoints that it may use; null is all that are open.
    pub endpoints: Option<Vec<&'static str>>,
    /// The member of the team who answers for it.
    pub owner: Option<String>,
    /// Texts by name.
    pub metadata: BTreeMap<String, String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What it may spend, together with all keys of its lineage.
    pub budgets: Budgets,
    /// Whether a budget for all models is spent.
    pub over_budget: bool,
    /// Whether a soft budget is spent, which refuses nothing.
    pub over_soft_budget: bool,
    /// The patterns of models whose own budget is spent.
    pub spent_models: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Millis,
    /// The token that made it.
    pub created_by: String,
    /// The start of its last request that was reported; null is never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Millis>,
    /// The first key of the chain of rotations that it is of: limits, budgets and spend belong to the chain.
    pub lineage: String,
    /// The key that it replaces.
    pub rotated_from: Option<String>,
    /// The key that replaces it.
    pub rotated_to: Option<String>,
    /// The version of its last change, which every proxy reports once it has it.
    pub version: u64,
}

/// A new key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NewKeyView {
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
pub(crate) struct RotatedView {
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
pub(crate) struct ChangedKey {
    #[serde(flatten)]
    pub(super) view: KeyView,
    /// Present where `wait` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt: Option<Receipt>,
}

impl From<KeyInfo> for KeyView {
    fn from(key: KeyInfo) -> Self {
        let status = key.standing(Millis::now());
        let record = key.record;
        let lineage = record.account().to_string();
        let patterns = |set: gmtech_core::model::ModelSet| -> Vec<String> {
            set.patterns()
                .iter()
                .cloned()
                .map(ModelPattern::into)
                .collect()
        };
        Self {
            status,
            suspended_by: key.suspended_by,
            lineage,
            id: record.id.into(),
            redacted_key: key.redacted,
            name: key.name,
            team: record.team.into(),
            tier: record.tier.into(),
            models: record.models.map(patterns),
            limits: record.limits,
            expires_at: record.expires_at.map(rfc3339),
            allowed_ips: record
                .addresses
                .map(|set| set.networks().iter().map(ToString::to_string).collect()),
            endpoints: record
                .endpoints
                .map(|set| set.groups().map(EndpointGroup::name).collect()),
            owner: key.owner,
            metadata: key.metadata,
            tags: key.tags,
            budgets: key.budgets,
            over_budget: key.over_budget,
            over_soft_budget: key.over_soft_budget,
            spent_models: record.spent_models.map(patterns).unwrap_or_default(),
            created_at: key.created_at,
            created_by: key.created_by,
            last_used_at: key.last_used_at,
            rotated_from: key.rotated_from.map(String::from),
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
