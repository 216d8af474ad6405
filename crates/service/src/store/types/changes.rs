//! Versions, and what changes with them.

use gmtech_core::sync::{KeyEntry, TeamEntry, TierEntry};

/// A place in a history of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which history.
    pub epoch: u64,
    /// How far.
    pub version: u64,
}

/// A page of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The epoch, and the version up to which this page is complete.
    pub to: Head,
    /// Whether there is more after it.
    pub more: bool,
    /// Keys that changed.
    pub keys: Vec<KeyEntry>,
    /// Teams whose credit state changed.
    pub teams: Vec<TeamEntry>,
    /// Tiers that changed; from version 0 on all of them, whatever the page.
    pub tiers: Vec<TierEntry>,
}
