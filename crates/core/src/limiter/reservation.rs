//! A cost that is charged before the request goes on.

use super::account::Account;
use super::cell::LimitSnapshot;
use super::charge::{Ask, Ending};
use super::charges::{Charges, Slots};
use super::cost::Cost;
use super::refusal::NotReserved;
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// A cost that was charged and awaits its settlement.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation must be settled"]
pub struct Reservation(pub(super) Charges);

/// Charges `cost` to every limit of the account, or to none.
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
    /// All limits as they stood right after the reservation.
    #[must_use]
    pub fn snapshot(&self) -> LimitSnapshot {
        self.0.snapshot
    }

    /// The tokens reserved: those that every counter holds at least. Zero where none limits them.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.0.tokens()
    }

    /// The place in flight that must be renewed while the request is under way.
    #[must_use]
    pub fn slot(&self) -> Option<&Slots> {
        self.0.slots()
    }

    /// Replaces the reserved tokens by the `actual` ones and gives the place in flight back. The request
    /// stays charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; what it has not written stays charged.
    pub fn settle(
        self,
        store: &impl CounterStore,
        actual: u64,
        now: Nanos,
    ) -> Result<(), StoreError> {
        self.0.end(store, Ending::Used { tokens: actual }, now)
    }
}
