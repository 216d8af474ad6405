//! The limiter: reserve before a request goes on, settle when it has ended.
//!
//! A limit is a [`Cell`]: whose it is ([`Scope`] and id), what it counts ([`Dimension`]), and how much. The cells of one
//! scope and id are a [`Counter`] and stand in one value of a shared store, so that one compare-and-swap charges all of them
//! or none. An [`Account`] is the counters that a request is charged to: that of its key, and of whatever else limits it.
//! Over several counters a charge is all or none too; `charges.rs` says how, and what others see meanwhile.
//!
//! [`reserve`] decides purely and commits by retrying the swap; a [`Reservation`] is consumed by [`Reservation::settle`]. A
//! request whose body says what it costs enters first ([`admit`]): it is charged as a request and takes its place in flight
//! before its body is read, and its [`Admission`] becomes a [`Reservation`] once the tokens are known.
//!
//! What it is not: no policy of its own (the limits come with the [`Account`]) and no clock.
//!
//! # A new scope
//! A variant of [`Scope`], a [`Counter`] of it in the account that is made for each request, and the words for it in
//! [`crate::denial`]. A budget that several processes share is granted to each in parts, which stand in the counter's value:
//! `Counter::update` is the place.
//!
//! # Failure policy
//! The reservation is in the store before the request leaves. If the worker that holds it dies, its tokens
//! are not given back; the bucket refills over them. Its place among the requests in flight lasts for
//! [`SLOT_LIFETIME`] and [`renew`] prolongs it, so that a dead worker's places come free by themselves. A store that fails, or
//! every swap lost, is [`StoreError`]: the caller refuses with a retryable 503 and lets nothing pass unmetered.

use crate::shared::{CounterStore, StoreError};
use crate::time::Nanos;

mod account;
mod admission;
mod cell;
mod charge;
mod charges;
mod cost;
mod counter;
pub mod gcra;
mod refusal;
mod reservation;
mod spent;

pub use account::Account;
pub use admission::{Admission, admit};
pub use cell::{Cell, CellStanding, Dimension, InFlight, LimitSnapshot, Limits, Scope};
pub use charge::SLOT_LIFETIME;
pub use charges::Slots;
pub use cost::{Cost, TokenBounds};
pub use counter::Counter;
pub use refusal::{NotReserved, Refusal};
pub use reservation::{Reservation, reserve};

use charges::all;

/// Charges one request that was refused for another reason than a limit, so that invalid requests do
/// not evade the requests limit. Where a limit is exhausted already, nothing is charged to it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn charge_refused(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<(), StoreError> {
    all(account.counters().iter().map(|counter| {
        counter.change(store, now, |spent, limits, now| {
            spent.charge_request(limits, now);
        })
    }))
}

/// Charges tokens that were used earlier and are known only now: as debt, whatever the limits have left.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn charge_later(
    store: &impl CounterStore,
    account: &Account,
    tokens: u64,
    now: Nanos,
) -> Result<(), StoreError> {
    all(account.counters().iter().map(|counter| {
        counter.change(store, now, |spent, limits, now| {
            spent.owe(limits, tokens, now);
        })
    }))
}

/// What every cell of the account shows, and the tightest of each dimension, without spending.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn standings(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<(Vec<CellStanding>, LimitSnapshot), StoreError> {
    let mut cells = Vec::new();
    let mut tightest = LimitSnapshot::default();
    for counter in account.counters() {
        let (spent, now) = counter.read(store, now)?;
        let snapshot = spent.snapshot(counter.limits(), now);
        let shown = Dimension::ALL.iter();
        cells.extend(shown.filter_map(|dimension| counter.standing(*dimension, &snapshot)));
        tightest = tightest.tighter(snapshot);
    }
    Ok((cells, tightest))
}

/// Prolongs a request's place in flight by [`SLOT_LIFETIME`] from now.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn renew(store: &impl CounterStore, slots: &Slots, now: Nanos) -> Result<(), StoreError> {
    slots.renew(store, now)
}

#[cfg(test)]
mod tests;
