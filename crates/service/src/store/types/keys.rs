//! Keys.

mod attention;

use std::collections::BTreeMap;

use gmtech_core::address::AddressSet;
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::key::KeyDigest;
use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::ModelSet;
use gmtech_core::record::{KeyRecord, Status};
use gmtech_core::request::EndpointSet;
use serde::{Deserialize, Serialize};

pub use attention::Attention;

use super::{Budgets, Once, Role};
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

/// What replaces a tier's limits; an absent field keeps the tier's.
#[derive(utoipa::ToSchema)]
#[schema(as = Limits)]
#[allow(dead_code, reason = "only described")]
pub struct LimitsSchema {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Requests at once from a full bucket; what refills within 31 years.
    pub requests_burst: Option<u32>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<u32>,
    /// Tokens at once from a full bucket; what refills within 31 years.
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
    /// From where it may be used; `None` is from anywhere.
    pub addresses: Option<AddressSet>,
    /// The groups of endpoints that it may use; `None` is all that are open.
    pub endpoints: Option<EndpointSet>,
    /// The member of its team who answers for it.
    pub owner: Option<String>,
    /// Texts by name, for the team's own use.
    pub metadata: BTreeMap<String, String>,
    /// Words that lists are filtered by.
    pub tags: Vec<String>,
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
    /// The member of its team who answers for it.
    pub owner: Option<String>,
    /// Texts by name, for the team's own use.
    pub metadata: BTreeMap<String, String>,
    /// Words that lists are filtered by.
    pub tags: Vec<String>,
    /// What its chain of rotations may spend.
    pub budgets: Budgets,
    /// Whether its chain has spent a budget for all models.
    pub over_budget: bool,
    /// Whether its chain has spent a soft budget, which refuses nothing.
    pub over_soft_budget: bool,
    /// The role of who suspended it; `None` where it is not suspended.
    pub suspended_by: Option<Role>,
    /// When it was made.
    pub created_at: Millis,
    /// Who made it.
    pub created_by: String,
    /// The start of its last request that reached the ledger.
    pub last_used_at: Option<Millis>,
    /// The key that it replaces.
    pub rotated_from: Option<KeyId>,
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

/// What creating several keys gave.
#[derive(Clone, Debug)]
pub struct CreatedKeys {
    /// The keys, in the order asked for.
    pub keys: Vec<KeyInfo>,
    /// Whether an earlier call made them.
    pub replayed: bool,
}

/// How to rotate.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// What stands for the new key's text.
    pub secret: KeySecret,
    /// How long the old key goes on, in seconds.
    pub overlap_seconds: u64,
    /// Makes it happen once.
    pub once: Option<Once>,
}

/// What rotating gave.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that ends.
    pub old: KeyInfo,
    /// The key that follows it.
    pub new: KeyInfo,
    /// Whether an earlier call made it, so that the text in hand is not its text.
    pub replayed: bool,
}

/// What of a key to change; `None` keeps, `Some(None)` removes.
#[derive(Clone, Debug, Default)]
pub struct KeyPatch {
    /// The name.
    pub name: Option<String>,
    /// The tier, of its whole chain of rotations, as are the next five.
    pub tier: Option<TierName>,
    /// The models.
    pub models: Option<Option<ModelSet>>,
    /// All limits at once.
    pub limits: Option<LimitOverrides>,
    /// All budgets at once.
    pub budgets: Option<Budgets>,
    /// The networks that it may be used from.
    pub addresses: Option<Option<AddressSet>>,
    /// The groups of endpoints.
    pub endpoints: Option<Option<EndpointSet>>,
    /// Seconds since the Unix epoch.
    pub expires_at: Option<Option<u64>>,
    /// The member who answers for it.
    pub owner: Option<Option<String>>,
    /// All texts at once.
    pub metadata: Option<BTreeMap<String, String>>,
    /// All tags at once.
    pub tags: Option<Vec<String>>,
}

/// How a key is, as people mean it. A key has one standing: the first of these that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Ended for good.
    Revoked,
    /// Past its end.
    Expired,
    /// Paused.
    Suspended,
    /// Has spent a budget.
    OverBudget,
    /// Works.
    Active,
}

impl KeyInfo {
    /// How it is at `now`.
    #[must_use]
    pub fn standing(&self, now: Millis) -> Standing {
        match self.record.status {
            Status::Revoked => Standing::Revoked,
            _ if self.has_expired(now) => Standing::Expired,
            Status::Suspended => Standing::Suspended,
            Status::Active if self.over_budget => Standing::OverBudget,
            Status::Active => Standing::Active,
        }
    }

    /// Whether it is past its end.
    #[must_use]
    pub fn has_expired(&self, now: Millis) -> bool {
        let end = self.record.expires_at;
        end.is_some_and(|at| at <= now.unix_seconds())
    }
}

/// What a list of keys is ordered by; the key's id breaks ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySort {
    /// When it was made, the newest first.
    #[default]
    Created,
    /// Its name in small letters, from a to z.
    Name,
    /// When it was last used, the latest first.
    LastUsed,
    /// When it expires, the soonest first; never comes last.
    Expires,
}

/// The most keys that a page of at most `limit` keys looks at, where a filter has no index.
#[must_use]
pub const fn keys_looked_at(limit: u32) -> u32 {
    limit.saturating_mul(40)
}

/// Which keys to list.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Only of this team.
    pub team: Option<TeamId>,
    /// Only as they are so at `now`.
    pub standing: Option<(Standing, Millis)>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only of this member.
    pub owner: Option<String>,
    /// Only of this tier.
    pub tier: Option<TierName>,
    /// Only with this text in their name, id or shown beginning, in small letters.
    pub search: Option<String>,
    /// Only those that expire before this, in seconds since the Unix epoch.
    pub expires_before: Option<u64>,
    /// Only those that expire at this or later.
    pub expires_after: Option<u64>,
    /// In which order.
    pub sort: KeySort,
    /// Whether in the opposite of that order.
    pub reversed: bool,
}
