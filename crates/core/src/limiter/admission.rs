//! A request between its head and its body: charged as a request, in flight, its tokens not yet known.

use super::account::Account;
use super::charge::{Ask, Ending};
use super::charges::{Charges, Slots};
use super::cost::TokenBounds;
use super::refusal::NotReserved;
use super::reservation::Reservation;
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// A request that was charged and has its place in flight, while its body is read.
///
/// It ends in one of four ways: [`Self::reserve`] where its tokens are there (and, where they are not, with everything given
/// back), [`Self::leave`] where it counts as a request and nothing more comes of it, [`Self::withdraw`] where it is to
/// cost nothing, or with its worker: the place then comes free by itself.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission holds a place in flight"]
pub struct Admission(Charges);

/// Charges one request and takes its place in flight, provided that at least `least` tokens are there, which are not
/// charged.
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
    /// The place in flight that must be renewed while the body is read.
    #[must_use]
    pub fn slot(&self) -> Option<&Slots> {
        self.0.slots()
    }

    /// Charges the tokens that the body asks for.
    ///
    /// # Errors
    /// [`NotReserved::Limit`] where they are not there: request and place are given back, as a refusal by a limit spends
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
    /// [`StoreError`] if the store fails; the place then comes free by itself, and the request stays charged.
    pub fn leave(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        self.0.end(store, Ending::Used { tokens: 0 }, now)
    }

    /// Gives request and place back.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the request then stays charged.
    pub fn withdraw(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        self.0.end(store, Ending::GiveBack, now)
    }
}
