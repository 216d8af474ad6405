//! The limiter: reserves a request's cost before it is forwarded, and settles the actual cost when it has ended.
//!
//! A limit is a [`Cell`]: its owner ([`Scope`] and id), what it counts ([`Dimension`]), and how many. The cells of one
//! owner form a [`Counter`], which is one value of a shared store, so that one compare-and-swap charges all of them or
//! none. An [`Account`] is the list of counters that a request is charged to. A charge over several counters is all or
//! none too; `charges.rs` describes how, and what other requests see meanwhile.
//!
//! [`reserve`] decides without side effects and commits by a swap, which is retried. [`Reservation::settle`] consumes
//! the reservation. A request with a body is charged in two steps: [`admit`] charges the request and takes its place in
//! flight before the body is read, and [`Admission::reserve`] charges the tokens once they are known.
//!
//! What it is not: it chooses no limits (they come with the [`Account`]) and has no clock.
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::HashMap;
//! use std::num::NonZeroU32;
//!
//! use gmtech_core::ident::KeyId;
//! use gmtech_core::limiter::gcra::Limit;
//! use gmtech_core::limiter::{Account, Cost, Limits, TokenBounds, reserve, standings};
//! use gmtech_core::shared::{CounterStore, StoreError, SwapError, Version};
//!
//! // A store for one thread. That of the filter is Envoy's shared data.
//! #[derive(Default)]
//! struct Store(RefCell<HashMap<Vec<u8>, (Vec<u8>, u32)>>);
//!
//! impl CounterStore for Store {
//!     fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, StoreError> {
//!         let value = self.0.borrow().get(key).cloned();
//!         Ok(value.map(|(bytes, version)| (bytes, Version(version))))
//!     }
//!
//!     fn swap(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
//!         let mut values = self.0.borrow_mut();
//!         let version = values.get(key).map(|(_, version)| *version);
//!         if version.map(Version) != expected {
//!             return Err(SwapError::Lost);
//!         }
//!         values.insert(key.to_vec(), (value.to_vec(), version.unwrap_or(0) + 1));
//!         Ok(())
//!     }
//! }
//!
//! let limits = Limits {
//!     tokens: NonZeroU32::new(1_000).map(Limit::per_minute),
//!     ..Limits::default()
//! };
//! let (store, account) = (Store::default(), Account::of(&KeyId::new("key_1").unwrap(), limits));
//! let remaining = || {
//!     let (_, snapshot) = standings(&store, &account, 0).unwrap();
//!     snapshot.tokens.unwrap().remaining
//! };
//!
//! // 300 tokens are reserved, and 100 are used.
//! let cost = Cost { requests: 1, tokens: TokenBounds::exactly(300) };
//! let reservation = reserve(&store, account.clone(), cost, 0).unwrap();
//! assert_eq!(remaining(), 700);
//! reservation.settle(&store, 100, 0).unwrap();
//! assert_eq!(remaining(), 900);
//! ```
//!
//! # A new scope
//! It needs a variant of [`Scope`], a [`Counter`] in the account of each request, and its words in [`crate::denial`]. A
//! budget that several processes share would be granted to each in parts and stored in the counter's value, in
//! `Counter::update`.
//!
//! # Failure policy
//! A reservation is in the store before the request is forwarded. If its worker dies, the tokens are not given back,
//! but the bucket refills. A place in flight lasts for [`SLOT_LIFETIME`] unless [`renew`] prolongs it, so that the
//! places of a dead worker expire. If the store fails, or every swap is lost, the result is [`StoreError`]: the caller
//! refuses with a retryable 503 and forwards nothing unmetered.

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
pub use cell::{Cell, CellStanding, Dimension, InFlight, Level, LimitSnapshot, Limits, Scope};
pub use charge::SLOT_LIFETIME;
pub use charges::Slots;
pub use cost::{Cost, TokenBounds};
pub use counter::Counter;
pub use refusal::{NotReserved, Refusal};
pub use reservation::{Reservation, reserve};

use charges::all;

/// Charges one request that was refused for another reason than a limit, so that invalid requests do not evade the
/// limit of requests. Nothing is charged to a limit that is already exhausted.
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

/// Charges tokens that were used earlier and become known now. They are charged as debt, whatever remains of the
/// limits.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn charge_debt(
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

/// Reads the standing of every cell of the account, and the tightest of each dimension. Nothing is spent.
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

/// Reads the level of every cell of the account. Nothing is spent.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn levels(
    store: &impl CounterStore,
    account: &Account,
    now: Nanos,
) -> Result<Vec<Level>, StoreError> {
    let mut levels = Vec::new();
    for counter in account.counters() {
        let (spent, now) = counter.read(store, now)?;
        let snapshot = spent.snapshot(counter.limits(), now);
        for dimension in Dimension::ALL {
            levels.extend(counter.standing(dimension, &snapshot).map(|standing| {
                Level {
                    scope: standing.cell.scope,
                    dimension,
                    limit: standing.cell.limit,
                    used: standing.used,
                    reserved: spent
                        .reserved(counter.limits(), dimension, now)
                        .min(standing.used),
                    remaining: standing.remaining,
                    reset_ms: standing.reset.map(|reset| reset.div_ceil(1_000_000)),
                }
            }));
        }
    }
    Ok(levels)
}

/// Prolongs a request's places in flight until [`SLOT_LIFETIME`] after `now`.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn renew(store: &impl CounterStore, slots: &Slots, now: Nanos) -> Result<(), StoreError> {
    slots.renew(store, now)
}

#[cfg(test)]
mod tests;
