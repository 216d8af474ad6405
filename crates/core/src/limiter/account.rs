//! What a request is charged to: a counter of every scope that it falls under.

use std::sync::Arc;

use super::cell::{Limits, Scope};
use super::counter::Counter;
use crate::ident::KeyId;

/// The counters that a request is charged to, in the order in which they are charged. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(Arc<[Counter]>);

impl Account {
    /// The account of a key alone: the first of the chain that rotation continues.
    #[must_use]
    pub fn of(key: &KeyId, limits: Limits) -> Self {
        Self(Arc::new([Counter::new(Scope::Key, key.as_str(), limits)]))
    }

    /// The account of several counters. Of two with the same scope and id, the first given counts.
    #[must_use]
    pub fn new(counters: impl IntoIterator<Item = Counter>) -> Self {
        let mut counters: Vec<_> = counters.into_iter().collect();
        counters.sort_by(|a, b| a.place().cmp(&b.place()));
        counters.dedup_by(|later, first| later.place() == first.place());
        Self(counters.into())
    }

    /// The counters, in the order in which they are charged.
    pub(super) fn counters(&self) -> &[Counter] {
        &self.0
    }

    /// The most tokens that its limits ever admit at once; [`u64::MAX`] where none limits tokens.
    #[must_use]
    pub fn tokens_at_once(&self) -> u64 {
        let limits = self.0.iter().filter_map(|counter| counter.limits().tokens);
        let bursts = limits.map(|limit| u64::from(limit.burst()));
        bursts.min().unwrap_or(u64::MAX)
    }
}
