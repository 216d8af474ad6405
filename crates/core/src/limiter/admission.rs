//! A request between its head and its body: charged as a request, in flight, its tokens not yet known.

use super::{Account, NotReserved, Reservation, Slot, TokenBounds, update};
use crate::limiter::gcra::Hold;
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// A request that was charged and has its place in flight, while its body is read.
///
/// It ends in one of four ways: [`Self::reserve`] where its tokens are there (and, where they are not, with everything given
/// back), [`Self::leave`] where it counts as a request and nothing more comes of it, [`Self::withdraw`] where it is to
/// cost nothing, or with the VM: the place then comes free by itself.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admission holds a place in flight"]
pub struct Admission {
    account: Account,
    request: Hold,
    slot: Option<Slot>,
}

/// Charges one request and takes its place in flight by one swap, provided that at least `least` tokens are there,
/// which are not charged.
///
/// # Errors
/// [`NotReserved`]: the limit that refused, or the store's failure.
pub fn admit(
    store: &impl CounterStore,
    account: Account,
    least: u64,
    now: Nanos,
) -> Result<Admission, NotReserved> {
    let (request, slot) = update(store, &account, now, |spent, now| {
        spent.enter(&account.limits, least, now)
    })?;
    Ok(Admission {
        account,
        request,
        slot,
    })
}

impl Admission {
    /// The place in flight that must be renewed while the body is read.
    #[must_use]
    pub fn slot(&self) -> Option<(&Account, Slot)> {
        self.slot.map(|slot| (&self.account, slot))
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
        let Self {
            account,
            request,
            slot,
        } = self;
        let (tokens, snapshot) = update(store, &account, now, |spent, now| {
            let charged = spent.complete(&account.limits, tokens, (request, slot), now);
            let snapshot = spent.snapshot(&account.limits, now);
            Ok(charged.map(|tokens| (tokens, snapshot)))
        })??;
        Ok(Reservation {
            account,
            tokens,
            slot,
            snapshot,
        })
    }

    /// Gives the place back; the request stays charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the place then comes free by itself, and the request stays charged.
    pub fn leave(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        let left = update(store, &self.account, now, |spent, now| {
            spent.keep_request(&self.account.limits, self.request, now);
            spent.leave(self.slot, now);
            Ok(())
        });
        left.map_err(|_| StoreError)
    }

    /// Gives request and place back.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the request then stays charged.
    pub fn withdraw(self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        let withdrawn = update(store, &self.account, now, |spent, now| {
            spent.withdraw(&self.account.limits, self.request, self.slot, now);
            Ok(())
        });
        withdrawn.map_err(|_| StoreError)
    }
}
