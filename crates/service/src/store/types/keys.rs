//! Keys.

use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::KeyDigest;
use gmtech_core::model::ModelSet;
use gmtech_core::quota::LimitOverrides;
use gmtech_core::record::{KeyRecord, Status};
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// What stands for a new key's text.
#[derive(Clone, Debug)]
pub struct KeySecret {
    /// The key's id.
    pub id: KeyId,
    /// Its digest.
    pub digest: KeyDigest,
    /// What may be shown of it.
    pub redacted: String,
}

/// What a key may spend, in nano-dollars; `None` is no budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// A UTC day.
    #[serde(default)]
    pub day_nano_usd: Option<i64>,
    /// A UTC calendar month.
    #[serde(default)]
    pub month_nano_usd: Option<i64>,
}

/// What replaces a tier's limits; an absent field keeps the tier's.
#[derive(utoipa::ToSchema)]
#[schema(as = Limits)]
#[allow(dead_code, reason = "only described")]
pub struct LimitsSchema {
    /// Requests a minute, 1 or more.
    pub requests_per_minute: Option<u32>,
    /// Requests at once from a full bucket.
    pub requests_burst: Option<u32>,
    /// Tokens a minute, 1 or more.
    pub tokens_per_minute: Option<u32>,
    /// Tokens at once from a full bucket.
    pub tokens_burst: Option<u32>,
    /// Requests under way at once.
    pub max_in_flight: Option<u32>,
}

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What stands for its text.
    pub secret: KeySecret,
    /// What its owner calls it.
    pub name: String,
    /// Its team, which must exist.
    pub team: TeamId,
    /// Its tier.
    pub tier: TierName,
    /// The models that it may use; `None` leaves it to the tier.
    pub models: Option<ModelSet>,
    /// What replaces the tier's limits.
    pub limits: LimitOverrides,
    /// Seconds since the Unix epoch; `None` is never.
    pub expires_at: Option<u64>,
    /// What it may spend.
    pub budgets: Budgets,
}

/// A key as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyInfo {
    /// What the proxies learn of it.
    pub record: KeyRecord,
    /// What may be shown of its text.
    pub redacted: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may spend.
    pub budgets: Budgets,
    /// Whether it has spent a budget.
    pub over_budget: bool,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it.
    pub created_by: String,
    /// The start of its last request that reached the ledger.
    pub last_used_at: Option<Millis>,
    /// The key that replaces it.
    pub rotated_to: Option<KeyId>,
    /// The version of its last change.
    pub version: u64,
}

/// What creating a key gave.
#[derive(Clone, Debug)]
pub struct Created {
    /// The key.
    pub key: KeyInfo,
    /// Whether an earlier call made it, so that the text in hand is not its text.
    pub replayed: bool,
}

/// What rotating gave.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that ends.
    pub old: KeyInfo,
    /// The key that follows it.
    pub new: KeyInfo,
}

/// What of a key to change; `None` keeps, `Some(None)` removes.
#[derive(Clone, Debug, Default)]
pub struct KeyPatch {
    /// The name.
    pub name: Option<String>,
    /// The tier.
    pub tier: Option<TierName>,
    /// The models.
    pub models: Option<Option<ModelSet>>,
    /// All limits at once.
    pub limits: Option<LimitOverrides>,
    /// Seconds since the Unix epoch.
    pub expires_at: Option<Option<u64>>,
    /// Both budgets at once.
    pub budgets: Option<Budgets>,
}

/// Which keys to list.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only with this status.
    pub status: Option<Status>,
}
