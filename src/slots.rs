//! The places in flight that this VM's streams hold, renewed at every tick.
//!
//! A VM that traps loses this list and renews no more, so that its places come free by themselves.

use std::cell::RefCell;
use std::collections::HashMap;

use gmtech_core::limiter::{SLOT_LIFETIME, Slots, renew};

use crate::host::shared_data::SharedCounters;
use crate::host::system;

/// How often to renew, in nanoseconds: three chances in a lifetime.
pub(crate) const RENEWAL: u64 = SLOT_LIFETIME / 3;

thread_local! {
    static HELD: RefCell<HashMap<u32, Slots>> = RefCell::default();
}

/// Holds a stream's place, if it has one. It is the same one from its head to its end.
pub(crate) fn hold(stream: u32, slots: Option<&Slots>) {
    if let Some(slots) = slots {
        HELD.with(|held| {
            if let Ok(mut held) = held.try_borrow_mut() {
                held.entry(stream).or_insert_with(|| slots.clone());
            }
        });
    }
}

/// The stream has no place any more: a renewal would take it again.
pub(crate) fn release(stream: u32) {
    HELD.with(|held| {
        if let Ok(mut held) = held.try_borrow_mut() {
            held.remove(&stream);
        }
    });
}

/// Renews every place.
pub(crate) fn renew_all() {
    let Ok(now) = system::now() else {
        return;
    };
    HELD.with(|held| {
        if let Ok(held) = held.try_borrow() {
            for slots in held.values() {
                if renew(&SharedCounters, slots, now.monotonic).is_err() {
                    log::warn!("gmtech: a place in flight could not be renewed");
                }
            }
        }
    });
}
