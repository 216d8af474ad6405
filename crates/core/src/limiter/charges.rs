//! Charges over several counters: all of them, or none.
//!
//! A swap changes one value, so the counters of an account are charged one after the other, in the order of
//! [`Account`]. If one refuses, the charges before it are given back. An account of one counter needs a single swap,
//! and the rest does not apply to it.
//!
//! # What other requests see meanwhile
//! - **Limits are never exceeded.** Every counter is charged before the request is forwarded, and only charged units
//!   are given back.
//! - **A request may be refused needlessly.** A request that one counter refuses counts in the counters before that
//!   one until its charges are given back: at most two swaps for each counter, a few microseconds. Another request is
//!   refused because of it only if the two do not fit together, and its wait is then too long by at most the first
//!   one's charge.
//! - **A worker may die in the middle.** Its charges stay: requests and tokens return as the bucket refills, and the
//!   place expires after [`SLOT_LIFETIME`](super::SLOT_LIFETIME). Nothing is admitted beyond the limits.
//!
//! `tests/interleavings.rs` checks this for every order of the store's operations.

use super::account::Account;
use super::cell::LimitSnapshot;
use super::charge::{Ask, Charge, Ending, Slot};
use super::cost::TokenBounds;
use super::counter::{Counter, Unchanged};
use super::refusal::{NotReserved, Refusals};
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// The charges of a request, one for each counter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Charges {
    slots: Slots,
    each: Vec<Charge>,
    /// The limits right after the charge.
    pub(super) snapshot: LimitSnapshot,
}

/// The places in flight of a request: one in each counter that limits them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    account: Account,
    each: Vec<Option<Slot>>,
}

impl Charges {
    /// Charges every counter of the account, or none.
    ///
    /// # Errors
    /// [`NotReserved`]: the limit that refused, or the store's failure.
    pub(super) fn take(
        store: &impl CounterStore,
        account: Account,
        ask: Ask,
        now: Nanos,
    ) -> Result<Self, NotReserved> {
        let mut each = Vec::with_capacity(account.counters().len());
        let mut snapshot = LimitSnapshot::default();
        let mut counters = account.counters().iter();
        while let Some(counter) = counters.next() {
            let ask = ask.of_next(least_held(&each), counters.len() == 0);
            let charged = counter.update(store, now, |spent, limits, now| {
                let charge = spent.charge(limits, ask, now)?;
                Ok((charge, spent.snapshot(limits, now)))
            });
            match charged {
                Ok((charge, shown)) => {
                    each.push(charge);
                    snapshot = snapshot.tighter(shown);
                }
                Err(Unchanged::Refused(refused)) => {
                    let mut refusals = Refusals::default();
                    let shown = refused.snapshot;
                    refusals.add(counter, Some(refused), shown);
                    give_back(store, charged_of(&account, &each), now, &mut refusals);
                    for counter in counters {
                        // This only reads: the changed copy is dropped.
                        let (mut spent, now) =
                            counter.read(store, now).map_err(|_| NotReserved::Store)?;
                        let shown = spent.snapshot(counter.limits(), now);
                        let refused = spent.charge(counter.limits(), ask, now).err();
                        refusals.add(counter, refused, shown);
                    }
                    return Err(refusals.into());
                }
                Err(Unchanged::Store) => {
                    let charged = charged_of(&account, &each);
                    give_back(store, charged, now, &mut Refusals::default());
                    return Err(NotReserved::Store);
                }
            }
        }
        Ok(Self {
            slots: Slots {
                each: each.iter().map(|charge| charge.slot).collect(),
                account,
            },
            each,
            snapshot,
        })
    }

    /// Charges the tokens of an admitted request. If too few remain, everything is given back.
    ///
    /// # Errors
    /// [`NotReserved::Limit`] if too few remain. [`NotReserved::Store`] if the store fails: the request then stays
    /// charged.
    pub(super) fn complete(
        self,
        store: &impl CounterStore,
        tokens: TokenBounds,
        now: Nanos,
    ) -> Result<Self, NotReserved> {
        let Self { slots, each, .. } = self;
        let account = slots.account.clone();
        let mut completed = Vec::with_capacity(each.len());
        let mut snapshot = LimitSnapshot::default();
        let mut entered = charged_of(&account, &each);
        while let Some((counter, charge)) = entered.next() {
            let ask = Ask::tokens(tokens).of_next(least_held(&completed), entered.len() == 0);
            let charged = counter.change(store, now, |spent, limits, now| {
                let charged = spent.complete(limits, *charge, ask, now);
                (charged, spent.snapshot(limits, now))
            });
            match charged {
                Ok((Ok(charge), shown)) => {
                    completed.push(charge);
                    snapshot = snapshot.tighter(shown);
                }
                Ok((Err(refused), shown)) => {
                    let mut refusals = Refusals::default();
                    refusals.add(counter, Some(refused), shown);
                    give_back(store, charged_of(&account, &completed), now, &mut refusals);
                    for (counter, charge) in entered {
                        let given_back = counter.change(store, now, |spent, limits, now| {
                            let refused = spent.clone().complete(limits, *charge, ask, now).err();
                            spent.end(limits, *charge, Ending::GiveBack, now);
                            (refused, spent.snapshot(limits, now))
                        });
                        // If the store fails, the charge stays.
                        if let Ok((refused, shown)) = given_back {
                            refusals.add(counter, refused, shown);
                        }
                    }
                    return Err(refusals.into());
                }
                Err(StoreError) => {
                    let kept = Ending::Used { tokens: 0 };
                    let _ = end(store, charged_of(&account, &completed), kept, now);
                    return Err(NotReserved::Store);
                }
            }
        }
        Ok(Self {
            slots,
            each: completed,
            snapshot,
        })
    }

    /// Ends every charge in the same way.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails for one of them. That charge stays; the others are ended.
    pub(super) fn end(
        self,
        store: &impl CounterStore,
        ending: Ending,
        now: Nanos,
    ) -> Result<(), StoreError> {
        end(
            store,
            charged_of(&self.slots.account, &self.each),
            ending,
            now,
        )
    }

    /// The least tokens that any counter holds; zero if tokens are not limited.
    pub(super) fn tokens(&self) -> u64 {
        least_held(&self.each).unwrap_or(0)
    }

    /// The places in flight; `None` if they are not limited.
    pub(super) fn slots(&self) -> Option<&Slots> {
        Some(&self.slots).filter(|slots| slots.each.iter().any(Option::is_some))
    }
}

impl Slots {
    /// Prolongs the places until [`SLOT_LIFETIME`](super::SLOT_LIFETIME) after `now`.
    pub(super) fn renew(&self, store: &impl CounterStore, now: Nanos) -> Result<(), StoreError> {
        let counters = self.account.counters().iter();
        let taken = counters
            .zip(&self.each)
            .filter_map(|(counter, slot)| Some((counter, (*slot)?)));
        all(taken.map(|(counter, slot)| {
            counter.change(store, now, |spent, _, now| spent.renew(slot, now))
        }))
    }
}

/// The charged counters with their charges.
fn charged_of<'a>(
    account: &'a Account,
    each: &'a [Charge],
) -> impl DoubleEndedIterator<Item = (&'a Counter, &'a Charge)> + ExactSizeIterator {
    account.counters().iter().zip(each)
}

/// The least tokens that any of these charges holds.
fn least_held(charges: &[Charge]) -> Option<u64> {
    charges
        .iter()
        .filter_map(|charge| charge.tokens_held())
        .min()
}

/// Gives back the charges before the counter that refused, and adds the standing of these counters afterwards. If the
/// store fails, the charge stays.
fn give_back<'a>(
    store: &impl CounterStore,
    charged: impl DoubleEndedIterator<Item = (&'a Counter, &'a Charge)>,
    now: Nanos,
    refusals: &mut Refusals<'a>,
) {
    for (counter, charge) in charged.rev() {
        let given_back = counter.change(store, now, |spent, limits, now| {
            spent.end(limits, *charge, Ending::GiveBack, now);
            spent.snapshot(limits, now)
        });
        if let Ok(shown) = given_back {
            refusals.add(counter, None, shown);
        }
    }
}

fn end<'a>(
    store: &impl CounterStore,
    charged: impl Iterator<Item = (&'a Counter, &'a Charge)>,
    ending: Ending,
    now: Nanos,
) -> Result<(), StoreError> {
    let open = charged.filter(|(_, charge)| !charge.is_ended_by(ending));
    all(open.map(|(counter, charge)| {
        counter.change(store, now, |spent, limits, now| {
            spent.end(limits, *charge, ending, now);
        })
    }))
}

/// Makes all changes, and returns the first failure.
pub(super) fn all(changes: impl Iterator<Item = Result<(), StoreError>>) -> Result<(), StoreError> {
    changes.fold(Ok(()), Result::and)
}
