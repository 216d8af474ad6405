//! What this VM's streams make Envoy hold of their bodies.

use std::cell::RefCell;

use gmtech_core::exchange::{Exchange, Step};
use gmtech_core::holding::{Body, Holding};

use crate::host::shared_data::SharedCounters;
use crate::host::{Status, system};

thread_local! {
    static HELD: RefCell<Holding> = RefCell::default();
}

/// Counts what is held for a stream; the step that refuses it where that is too much.
pub(crate) fn hold(
    stream: u32,
    body: Body,
    exchange: &mut Exchange,
) -> Result<Option<Step>, Status> {
    let now = system::now()?;
    Ok(HELD.with(|held| {
        let mut held = held.try_borrow_mut().ok()?;
        exchange.hold((&mut held, stream), body, &SharedCounters, now)
    }))
}

/// Nothing is held for the stream any more.
pub(crate) fn release(stream: u32) {
    HELD.with(|held| {
        if let Ok(mut held) = held.try_borrow_mut() {
            held.release(stream);
        }
    });
}
