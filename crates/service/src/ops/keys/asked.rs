//! Requests about keys. Fields are as a person wrote them; [`crate::ops::fields`] checks them.

use std::collections::BTreeMap;

use gmtech_core::limits::LimitOverrides;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::store::{Budgets, KeySort, LimitsSchema, Standing};

/// A key to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// The team that it is billed with; must exist.
    pub team: String,
    /// What its owner calls it: printable characters.
    pub name: String,
    /// `free` by default.
    #[serde(default)]
    pub tier: Option<String>,
    /// Patterns such as `gpt-4o*`; by default what the tier allows.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub models: Option<Vec<String>>,
    /// What replaces the tier's limits.
    #[serde(default)]
    #[schema(value_type = LimitsSchema)]
    pub limits: LimitOverrides,
    /// RFC 3339, to come; never by default.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// What it may spend.
    #[serde(default)]
    pub budgets: Budgets,
    /// Addresses and networks (`203.0.113.0/24`) that it may be used from; anywhere by default.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub allowed_ips: Option<Vec<String>>,
    /// Groups of endpoints that it may use, of those that the gate has opened; all of these by default.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 64)]
    pub endpoints: Option<Vec<String>>,
    /// The member of the team who answers for it, by address.
    #[serde(default)]
    pub owner: Option<String>,
    /// Texts by name, for your own use: at most 16; names to 64 characters, texts to 512.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Words to find it by: at most 16 of 1 to 64 letters, digits, `_`, `.`, `:`, `/` or `-`.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub tags: Vec<String>,
}

/// Several keys to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeys {
    /// The keys.
    #[schema(min_items = 1, max_items = 1000)]
    pub keys: Vec<CreateKey>,
}

/// What of a key to change; an absent field keeps what there is. What a key may use and spend (tier, models, limits,
/// budgets, allowed_ips, endpoints) changes for all keys that rotation has made of it.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateKey {
    /// What its owner calls it.
    pub name: Option<String>,
    /// The tier whose limits apply.
    pub tier: Option<String>,
    /// Null leaves it to the tier.
    #[serde(deserialize_with = "json::present")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub models: Option<Option<Vec<String>>>,
    /// All limits at once: what is not named is the tier's again.
    #[schema(value_type = Option<LimitsSchema>)]
    pub limits: Option<LimitOverrides>,
    /// RFC 3339; null is never.
    #[serde(deserialize_with = "json::present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<String>>,
    /// All budgets at once.
    pub budgets: Option<Budgets>,
    /// All addresses and networks at once; null is anywhere.
    #[serde(deserialize_with = "json::present")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub allowed_ips: Option<Option<Vec<String>>>,
    /// All groups of endpoints at once; null is all that are open.
    #[serde(deserialize_with = "json::present")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub endpoints: Option<Option<Vec<String>>>,
    /// A member's address; null is nobody.
    #[serde(deserialize_with = "json::present")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<Option<String>>,
    /// All texts at once.
    pub metadata: Option<BTreeMap<String, String>>,
    /// All tags at once.
    #[schema(max_items = 16)]
    pub tags: Option<Vec<String>>,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    /// How long the old key goes on, in seconds: a day by default, 0 to 90 days.
    #[schema(minimum = 0, maximum = 7_776_000)]
    pub overlap_seconds: Option<u64>,
}

/// Which keys to list.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListKeys {
    /// Only of this team.
    pub team: Option<String>,
    /// Only those that are so now; each key is one of these.
    #[param(inline)]
    pub status: Option<Standing>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only of this member, by address.
    pub owner: Option<String>,
    /// Only of this tier.
    pub tier: Option<String>,
    /// Only with this text in their name or id, or at the beginning of what is shown of the key. Capitals do not matter.
    pub search: Option<String>,
    /// Only those that expire before this instant, in RFC 3339.
    #[param(format = DateTime)]
    pub expires_before: Option<String>,
    /// Only those that expire at this instant or later, in RFC 3339.
    #[param(format = DateTime)]
    pub expires_after: Option<String>,
    /// The order: `created` (the newest first, the default), `name`, `last_used` (the latest first) or `expires` (the soonest
    /// first).
    #[param(inline)]
    pub sort: Option<KeySort>,
    /// Whether in the opposite of that order.
    pub reverse: Option<bool>,
}
