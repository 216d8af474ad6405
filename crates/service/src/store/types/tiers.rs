//! Tiers.

use gmtech_core::ident::TierName;
use gmtech_core::tier::Tier;

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
