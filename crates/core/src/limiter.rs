//! The ledger of quota: reserve before a request goes on, settle when it has ended.
//!
//! All that a key has spent stands in one value of a shared store, so that one compare-and-swap charges every
//! limit that applies or none. [`reserve`] decides purely and commits by retrying the swap; a
//! [`Reservation`] is consumed by [`Reservation::settle`]. A request whose body says what it costs enters first
//! ([`admit`]): it is charged as a request and takes its place in flight before its body is read, and its [`Admission`] becomes
//! a [`Reservation`] once the tokens are known.
//!
//! What it is not: no policy of its own (the limits come with the [`Account`]) and no clock.
//!
//! # Failure policy
//! The reservation is in the store before the request leaves. If the VM that holds it dies, its tokens are
//! not given back; the bucket refills over them. Its place among the requests in flight lasts for
//! [`SLOT_LIFETIME`] and [`renew`] prolongs it, so that a dead VM's places come free by themselves. A store that fails, or
//! every swap lost, is [`StoreError`]: the caller refuses with a retryable 503 and lets nothing pass unmetered.

use crate::limiter::gcra::{Exceeded, Hold};
use crate::shared::{self, Change, CounterStore, Retry, StoreError};
use crate::time::{Nanos, SECOND};

mod account;
mod admission;
pub mod gcra;
mod spent;

pub use account::{Account, Cost, Dimension, InFlight, LimitSnapshot, Limits, TokenBounds};
pub use admission::{Admission, admit};
use spent::Spent;

/// How long a place in flight is held without being renewed.
pub const SLOT_LIFETIME: Nanos = 30 * SECOND;

/// Why a cost was not reserved. Nothing was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReserved {
    /// A limit refused it.
    Limit {
        /// Which one; the one with the longest wait where several refuse.
        dimension: Dimension,
        /// How long to wait, or that waiting does not help.
        exceeded: Exceeded,
        /// Units asked of that limit.
        requested: u64,
        /// All limits as they stand.
        snapshot: LimitSnapshot,
    },
    /// The store failed.
    Store,
}

/// A place among the requests under way, by its number within the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(u64);

/// A cost that was charged and awaits its settlement.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation must be settled"]
pub struct Reservation {
    account: Account,
    tokens: Hold,
    slot: Option<Slot>,
    snapshot: LimitSnapshot,
}

/// Changes what is spent. `decide` gets the instant to decide at: what was decided by a worker whose clock was read
/// later is not judged by an earlier one.
fn update<T>(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
    mut decide: impl FnMut(&mut Spent, Nanos) -> Result<T, NotReserved>,
) -> Result<T, NotReserved> {
    let updated = shared::update(store, &account.key, Retry::UntilWritten, |bytes| {
        let mut spent = bytes.map(Spent::from_bytes).unwrap_or_default();
        let now = spent.move_to(now);
        match decide(&mut spent, now) {
            Ok(outcome) => Change::Write(spent.to_bytes(), Ok(outcome)),
            Err(refused) => Change::Keep(Err(refused)),
        }
    });
    updated.unwrap_or(Err(NotReserved::Store))
}

/// What is spent, and the instant to look at it.
fn read(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<(Spent, Nanos), StoreError> {
    let read = store.get(&account.key)?;
    let mut spent = read.map(|(v, _)| Spent::from_bytes(&v)).unwrap_or_default();
    let now = spent.move_to(now);
    Ok((spent, now))
}

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
    let (tokens, slot, snapshot) = update(store, &account, now, |spent, now| {
        let (tokens, slot) = spent.charge(&account.limits, cost, now)?;
        let snapshot = spent.snapshot(&account.limits, now);
        Ok((tokens, slot, snapshot))
    })?;
    Ok(Reservation {
        account,
        tokens,
        slot,
        snapshot,
    })
}

/// Charges one request that was refused for another reason than a limit, so that invalid requests do
/// not evade the requests limit. Where the limit is exhausted already, nothing is charged.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn charge_refused(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<(), StoreError> {
    let charged = update(store, account, now, |spent, now| {
        spent.charge_request(&account.limits, now);
        Ok(())
    });
    charged.map_err(|_| StoreError)
}

/// Charges tokens that were used earlier and are known only now: as debt, whatever the limit has left.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn charge_later(
    store: &impl CounterStore,
    account: &Account,
    tokens: u64,
    now: Nanos,
) -> Result<(), StoreError> {
    let charged = update(store, account, now, |spent, now| {
        spent.owe(&account.limits, tokens, now);
        Ok(())
    });
    charged.map_err(|_| StoreError)
}

/// What the account shows, without spending.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn snapshot(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<LimitSnapshot, StoreError> {
    let (spent, now) = read(store, account, now)?;
    Ok(spent.snapshot(&account.limits, now))
}

/// Prolongs a place in flight by [`SLOT_LIFETIME`] from now.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn renew(
    store: &impl CounterStore,
    account: &Account,
    slot: Slot,
    now: Nanos,
) -> Result<(), StoreError> {
    let renewed = update(store, account, now, |spent, now| {
        spent.renew(slot, now);
        Ok(())
    });
    renewed.map_err(|_| StoreError)
}

impl Reservation {
    /// All limits as they stood right after the reservation.
    #[must_use]
    pub fn snapshot(&self) -> LimitSnapshot {
        self.snapshot
    }

    /// The tokens reserved.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens.units()
    }

    /// The place in flight that must be renewed while the request is under way.
    #[must_use]
    pub fn slot(&self) -> Option<(&Account, Slot)> {
        self.slot.map(|slot| (&self.account, slot))
    }

    /// Replaces the reserved tokens by the `actual` ones and gives the place in flight back. The request
    /// stays charged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; the reservation then stays charged.
    pub fn settle(
        self,
        store: &impl CounterStore,
        actual: u64,
        now: Nanos,
    ) -> Result<(), StoreError> {
        if actual == 0 && self.tokens.units() == 0 && self.slot.is_none() {
            return Ok(());
        }
        let settled = update(store, &self.account, now, |spent, now| {
            spent.settle(&self.account.limits, (self.tokens, actual), self.slot, now);
            Ok(())
        });
        settled.map_err(|_| StoreError)
    }
}

#[cfg(test)]
mod tests;
