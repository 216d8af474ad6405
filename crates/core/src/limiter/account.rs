//! The account of a request: the counters that it is charged to.

use std::sync::Arc;

use super::cell::{Limits, Scope};
use super::counter::Counter;
use crate::ident::KeyId;

/// The counters that a request is charged to, in the order of charging. It is cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(Arc<[Counter]>);

impl Account {
    /// Makes the account of a key with these limits. `key` is the first key of its rotation chain.
    #[must_use]
    pub fn of(key: &KeyId, limits: Limits) -> Self {
        Self(Arc::new([Counter::new(Scope::Key, key.as_str(), limits)]))
    }

    /// Makes an account of several counters. Of two with the same scope and id, the first is used.
    #[must_use]
    pub fn new(counters: impl IntoIterator<Item = Counter>) -> Self {
        let mut counters: Vec<_> = counters.into_iter().collect();
        counters.sort_by(|a, b| a.place().cmp(&b.place()));
        counters.dedup_by(|later, first| later.place() == first.place());
        Self(counters.into())
    }

    /// The counters, in the order of charging.
    pub(super) fn counters(&self) -> &[Counter] {
        &self.0
    }

    /// The most tokens that the limits ever admit at once; [`u64::MAX`] if tokens are not limited.
    #[must_use]
    pub fn tokens_at_once(&self) -> u64 {
        let limits = self.0.iter().filter_map(|counter| counter.limits().tokens);
        let bursts = limits.map(|limit| u64::from(limit.burst()));
        bursts.min().unwrap_or(u64::MAX)
    }
}
