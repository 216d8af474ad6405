//! Charges over several counters: all of them, or none.
//!
//! A swap changes one value, so an account of several counters is charged one after the other, in the fixed order of
//! [`Account`]. If one refuses, those before it are given back what they were charged. An account of one counter costs
//! one swap, and none of this applies to it.
//!
//! # What others see meanwhile
//! - **Never above a limit.** Every counter is charged before the request goes on, and only what was charged is given back.
//! - **Refusals that were not necessary.** A request that will be refused counts in the counters before the one that refuses
//!   it, from its first swap until it has given back: at most two swaps a counter, some microseconds. Another request is
//!   refused for that only if the two do not fit side by side, and the wait that it is told is too long by at most what the
//!   first was charged.
//! - **A worker that dies in the middle** leaves what it was charged: requests and tokens come back as the bucket refills, the
//!   place after [`SLOT_LIFETIME`](super::SLOT_LIFETIME). Nothing more is admitted than without it.
//!
//! `tests/interleavings.rs` holds this, over every order of the store's operations.

use super::account::Account;
use super::cell::LimitSnapshot;
use super::charge::{Ask, Charge, Ending, Slot};
use super::cost::TokenBounds;
use super::counter::{Counter, Unchanged};
use super::refusal::{NotReserved, Refusals};
use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

/// What a request was charged, counter by counter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Charges {
    slots: Slots,
    each: Vec<Charge>,
    /// All limits as they stood right after the charge.
    pub(super) snapshot: LimitSnapshot,
}

/// A request's places among those in flight: one in each counter that limits them.
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
                        // It is only asked: what it would be charged is dropped.
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

    /// Charges the tokens of a request that has entered. Where they are not there, everything is given back.
    ///
    /// # Errors
    /// [`NotReserved::Limit`] where they are not there, [`NotReserved::Store`] if the store fails: the request then stays
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
                        // A store that fails keeps what was charged.
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
    /// [`StoreError`] if the store fails for one of them, which then stays; the others are ended.
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

    /// The tokens that every counter holds at least; zero where none limits them.
    pub(super) fn tokens(&self) -> u64 {
        least_held(&self.each).unwrap_or(0)
    }

    /// The places in flight; `None` where no counter limits them.
    pub(super) fn slots(&self) -> Option<&Slots> {
        Some(&self.slots).filter(|slots| slots.each.iter().any(Option::is_some))
    }
}

impl Slots {
    /// Prolongs the places from `now`.
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

/// The counters of the account that were charged, and their charges.
fn charged_of<'a>(
    account: &'a Account,
    each: &'a [Charge],
) -> impl DoubleEndedIterator<Item = (&'a Counter, &'a Charge)> + ExactSizeIterator {
    account.counters().iter().zip(each)
}

/// The tokens that the one of these charges which holds the fewest holds.
fn least_held(charges: &[Charge]) -> Option<u64> {
    charges
        .iter()
        .filter_map(|charge| charge.tokens_held())
        .min()
}

/// Gives back what was charged before a counter refused, and notes how these counters stand then. A store that fails
/// keeps what was charged.
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

/// Does all of it, and reports the first failure.
pub(super) fn all(changes: impl Iterator<Item = Result<(), StoreError>>) -> Result<(), StoreError> {
    changes.fold(Ok(()), Result::and)
}
