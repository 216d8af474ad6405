//! A counter: the cells of one scope and id, in one value of the store.

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
    /// Makes the counter of `id` in `scope`.
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

    /// Its position in the order of charging.
    pub(super) fn place(&self) -> (Scope, &str) {
        (self.scope, &self.id)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Changes the counter. `decide` gets the state, the limits and an instant, which is never earlier than that of the
    /// last change, since another worker may have read its clock later. If `decide` refuses, nothing is written.
    ///
    /// If processes come to share a budget, the part granted to this one belongs into the same value ([`Spent`]), and
    /// `decide` gets it in place of the limit. Callers need not change.
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

    /// Changes the counter where nothing can be refused.
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

    /// Reads the state, and the instant at which to look at it.
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

    /// The standing of one cell in a snapshot of this counter; `None` if the dimension is not limited.
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
