//! A cost that is charged before the request is forwarded.

use super::account::Account;
use super::cell::LimitSnapshot;
use super::charge::{Ask, Ending};
use super::charges::{Charges, Slots};
use super::cost::Cost;
use super::refusal::NotReserved;
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// A charged cost that must be settled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation must be settled"]
pub struct Reservation(pub(super) Charges);

/// Charges `cost` to every limit of the account, or to none. [`crate::limiter`] has an example.
///
/// # Errors
/// [`NotReserved`]: the limit that refused, or the store's failure.
pub fn reserve(
    store: &impl CounterStore,
    account: Account,
    cost: Cost,
    now: Nanos,
) -> Result<Reservation, NotReserved> {
    Charges::take(store, account, Ask::cost(cost), now).map(Reservation)
}

impl Reservation {
    /// All limits right after the reservation.
    #[must_use]
    pub fn snapshot(&self) -> LimitSnapshot {
        self.0.snapshot
    }

    /// The reserved tokens: the least that any counter holds. Zero if tokens are not limited.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.0.tokens()
    }

    /// The places in flight, which must be renewed until the request ends.
    #[must_use]
    pub fn slots(&self) -> Option<&Slots> {
        self.0.slots()
    }

    /// Replaces the reserved tokens by the `actual` ones, and gives the places in flight back. The request stays
    /// charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Charges that could not be changed stay.
    pub fn settle(
        self,
        store: &impl CounterStore,
        actual: u64,
        now: Nanos,
    ) -> Result<(), StoreError> {
        self.0.end(store, Ending::Used { tokens: actual }, now)
    }
}
