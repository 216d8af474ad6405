//! Tiers.

use gmtech_core::ident::TierName;
use gmtech_core::tier::{DEFAULT_TIERS, Tier};

use crate::clock::Millis;

/// A tier as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct TierInfo {
    /// Its name.
    pub name: TierName,
    /// Its limits and models.
    pub tier: Tier,
    /// When it was made.
    pub created_at: Millis,
    /// The version of its last change.
    pub version: u64,
}

/// The tiers of a new service.
#[must_use]
pub(crate) fn first_tiers() -> Vec<(TierName, Tier)> {
    let tier = |(name, requests, tokens)| {
        Some((TierName::new(name).ok()?, Tier::of_rates(requests, tokens)?))
    };
    DEFAULT_TIERS.into_iter().filter_map(tier).collect()
}
