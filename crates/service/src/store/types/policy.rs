//! Policies of teams.

use gmtech_core::ident::TierName;
use gmtech_core::limits::LimitOverrides;
use gmtech_core::model::ModelSet;
use gmtech_core::request::EndpointSet;
use serde::{Deserialize, Serialize};

use super::{Amounts, LimitsSchema};

/// What a team's own administrators may do with its keys. Administrators of the service are not bound by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The tiers that they may choose; null is the default tier only.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub allowed_tiers: Option<Vec<TierName>>,
    /// The models that their keys stay within, as patterns; a key that names none gets these. Null leaves them to the tier.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 64)]
    pub models: Option<ModelSet>,
    /// The groups of endpoints that their keys stay within; a key that names none gets these. Null is all that are open.
    #[schema(value_type = Option<Vec<String>>, max_items = 64)]
    pub endpoints: Option<EndpointSet>,
    /// The most that they may set of each limit. What is null they may only lower.
    #[schema(value_type = LimitsSchema)]
    pub limits: LimitOverrides,
    /// The most that they may set of each budget; a key that names none gets it. What is null they may set where there is none,
    /// and only lower where there is one.
    pub budgets: Amounts,
    /// How many keys that have not ended the team may have; keys that rotation continues count as one.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub max_keys: Option<u32>,
    /// The longest that their keys may work, in seconds from their creation; a key that names no end gets it.
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub max_key_lifetime_seconds: Option<u64>,
}
