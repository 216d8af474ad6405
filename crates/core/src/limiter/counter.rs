//! A counter: the cells of one scope and id, which stand in one value of the store.

use super::cell::{Cell, CellStanding, Dimension, LimitSnapshot, Limits, Scope};
use super::charge::Refused;
use super::spent::Spent;
use crate::shared::{self, Change, CounterStore, Retry, StoreError, names};
use crate::time::Nanos;

/// The cells of one scope and id. One swap charges all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    scope: Scope,
    id: String,
    name: Vec<u8>,
    limits: Limits,
}

/// Why a counter was not changed.
pub(super) enum Unchanged {
    /// One of its limits refused.
    Refused(Refused),
    /// The store failed.
    Store,
}

impl Counter {
    /// The counter of `id` in `scope`.
    #[must_use]
    pub fn new(scope: Scope, id: &str, limits: Limits) -> Self {
        let name = match scope {
            Scope::Key => names::spent_of_key(id),
            _ => names::spent_of(scope.name(), id),
        };
        Self {
            scope,
            id: id.to_owned(),
            name,
            limits,
        }
    }

    /// Its place in the order of charges.
    pub(super) fn place(&self) -> (Scope, &str) {
        (self.scope, &self.id)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Changes what is spent. `decide` gets the limits to decide by and the instant to decide at: what was decided by a
    /// worker whose clock was read later is not judged by an earlier one. Where it refuses, nothing is written.
    ///
    /// A counter is held to its own limits. Where processes share a budget, what is granted to this one will stand in the same
    /// value ([`Spent`]) and be given to `decide` in place of the limit; nothing above this function has to know.
    pub(super) fn update<T>(
        &self,
        store: &impl CounterStore,
        now: Nanos,
        mut decide: impl FnMut(&mut Spent, &Limits, Nanos) -> Result<T, Refused>,
    ) -> Result<T, Unchanged> {
        let updated = shared::update(store, &self.name, Retry::UntilWritten, |bytes| {
            let mut spent = bytes.map(Spent::from_bytes).unwrap_or_default();
            let now = spent.move_to(now);
            match decide(&mut spent, &self.limits, now) {
                Ok(outcome) => Change::Write(spent.to_bytes(), Ok(outcome)),
                Err(refused) => Change::Keep(Err(Unchanged::Refused(refused))),
            }
        });
        updated.unwrap_or(Err(Unchanged::Store))
    }

    /// Changes what is spent, where nothing can be refused.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) fn change<T>(
        &self,
        store: &impl CounterStore,
        now: Nanos,
        mut change: impl FnMut(&mut Spent, &Limits, Nanos) -> T,
    ) -> Result<T, StoreError> {
        self.update(store, now, |spent, limits, now| {
            Ok(change(spent, limits, now))
        })
        .map_err(|_| StoreError)
    }

    /// What is spent, and the instant to look at it.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub(super) fn read(
        &self,
        store: &impl CounterStore,
        now: Nanos,
    ) -> Result<(Spent, Nanos), StoreError> {
        let read = store.get(&self.name)?;
        let mut spent = read.map(|(v, _)| Spent::from_bytes(&v)).unwrap_or_default();
        let now = spent.move_to(now);
        Ok((spent, now))
    }

    /// What its cell of `dimension` shows in a snapshot of this counter; `None` where that is not limited.
    pub(super) fn standing(
        &self,
        dimension: Dimension,
        snapshot: &LimitSnapshot,
    ) -> Option<CellStanding> {
        let rate = match dimension {
            Dimension::Requests => snapshot.requests,
            Dimension::Tokens => snapshot.tokens,
            Dimension::InFlight => None,
        };
        let rate = rate.map(|r| (r.limit, r.used, r.remaining, Some(r.reset)));
        let places = snapshot
            .in_flight
            .filter(|_| dimension == Dimension::InFlight);
        let places = places.map(|p| (p.limit, u64::from(p.used), p.remaining(), None));
        let (limit, used, remaining, reset) = rate.or(places)?;
        Some(CellStanding {
            cell: Cell {
                scope: self.scope,
                id: self.id.clone(),
                dimension,
                limit,
            },
            used,
            remaining,
            reset,
        })
    }
}
