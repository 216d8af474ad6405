//! The charge of a request before its body is read: one request and a place in flight, without tokens.

use super::account::Account;
use super::charge::{Ask, Ending};
use super::charges::{Charges, Slots};
use super::cost::TokenBounds;
use super::refusal::NotReserved;
use super::reservation::Reservation;
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// A charged request with its place in flight, while its body is read.
///
/// It ends in one of four ways:
/// - [`Self::reserve`] charges the tokens, or gives everything back if there are too few.
/// - [`Self::leave`] gives the place back and keeps the request charged.
/// - [`Self::withdraw`] gives everything back.
/// - If the worker dies, the place expires.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission holds a place in flight"]
pub struct Admission(Charges);

/// Charges one request and takes its place in flight, if at least `least` tokens remain. The tokens are not charged.
///
/// # Errors
/// [`NotReserved`]: the limit that refused, or the store's failure.
pub fn admit(
    store: &impl CounterStore,
    account: Account,
    least: u64,
    now: Nanos,
) -> Result<Admission, NotReserved> {
    Charges::take(store, account, Ask::enter(least), now).map(Admission)
}

impl Admission {
    /// The places in flight that must be renewed while the body is read.
    #[must_use]
    pub fn slots(&self) -> Option<&Slots> {
        self.0.slots()
    }

    /// Charges the tokens that the request needs.
    ///
    /// # Errors
    /// [`NotReserved::Limit`] if too few remain: request and place are given back, since a refusal by a limit spends
    /// nothing. [`NotReserved::Store`] if the store fails: the request stays charged.
    pub fn reserve(
        self,
        store: &impl CounterStore,
        tokens: TokenBounds,
        now: Nanos,
    ) -> Result<Reservation, NotReserved> {
        self.0.complete(store, tokens, now).map(Reservation)
    }

    /// Gives the place back; the request stays charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the place then expires, and the request stays charged.
    pub fn leave(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        self.0.end(store, Ending::Used { tokens: 0 }, now)
    }

    /// Gives the request and the place back.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the request then stays charged.
    pub fn withdraw(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        self.0.end(store, Ending::GiveBack, now)
    }
}
