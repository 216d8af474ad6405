//! Proxies.

use std::collections::BTreeMap;

use gmtech_core::ident::TierName;

use super::Head;
use crate::clock::Millis;

/// What a proxy last reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// The name that it gave itself.
    pub id: String,
    /// What it has applied.
    pub applied: Head,
    /// What it has told of itself.
    pub told: ProxyTold,
    /// When it was last heard.
    pub seen_at: Millis,
}

/// What a proxy tells of itself; `None` is what it has not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyTold {
    /// The version of its filter.
    pub filter: Option<String>,
    /// How many keys it has records of, revoked ones included.
    pub held: Option<u64>,
    /// The fingerprints of the tiers of its configuration.
    pub tiers: Option<BTreeMap<TierName, String>>,
}
