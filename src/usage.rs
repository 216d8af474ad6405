//! Usage on its way to the key service: pushed when a stream is settled, posted by whichever root context ticks or is
//! answered. What is held, and when it goes, is decided in [`gmtech_core::agent::outbox`]; it belongs to the VM.
//!
//! # Failure policy
//! A batch that was not taken is posted again; the service counts each event once. What a VM that traps loses of
//! admitted requests, like what is dropped here and counted, is in the access log, which can be replayed.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use gmtech_core::agent::Services;
use gmtech_core::agent::outbox::{Outbox, TIMEOUT};
use gmtech_core::config::ServicePolicy;
use gmtech_core::sync::events::UsageEvent;
use proxy_wasm::traits::Context;

use crate::host::callout::{self, Call};
use crate::host::{Status, metrics, system};
use crate::services;

thread_local! {
    static OUTBOX: RefCell<Outbox> = RefCell::default();
    /// A random half and a count: unique without asking the host for randomness at every request.
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A new event's id.
pub(crate) fn new_id() -> Result<[u8; 16], Status> {
    let (mut drawn, count) = IDS.get();
    if drawn == 0 {
        drawn = system::random_u64()?.max(1);
    }
    let count = count.wrapping_add(1);
    IDS.set((drawn, count));
    Ok((u128::from(drawn) << 64 | u128::from(count)).to_be_bytes())
}

/// Queues an event for the service of the policy that it was made under.
pub(crate) fn push(event: UsageEvent, service: &ServicePolicy, now: u64) {
    with(|outbox, services| outbox.push(event, service, services, now));
}

/// A root context is gone: what it had under way is posted again.
pub(crate) fn retired(root: u32) {
    with(|outbox, _| outbox.retired(root));
}

/// Posts what there is, and counts what has happened.
pub(crate) fn tick(root: u32, from: &dyn Context) -> Result<(), Status> {
    let now = system::now()?.monotonic;
    with(|outbox, services| outbox.tick(services, now));
    post(root, from, true, now);
    let counts = with(|outbox, _| outbox.take_counts()).unwrap_or_default();
    metrics::count("gmtech_usage_posted", counts.posted);
    metrics::count("gmtech_usage_retries", counts.retried);
    metrics::count("gmtech_usage_dropped", counts.dropped);
    metrics::count("gmtech_usage_refusals_dropped", counts.refusals_dropped);
    Ok(())
}

/// Takes an answer, and posts what it made way for; whether it was a post's.
pub(crate) fn answered(
    root: u32,
    token: u32,
    size: usize,
    from: &dyn Context,
) -> Result<bool, Status> {
    let now = system::now()?.monotonic;
    // Whatever cannot be read of an answer is none: the batch is posted again.
    let taken = callout::answer(size).is_ok_and(|answer| answer.is_some());
    let ours = with(|outbox, _| outbox.answered(token, taken, now)) == Some(true);
    if ours {
        post(root, from, false, now);
    }
    Ok(ours)
}

fn post(root: u32, from: &dyn Context, flush: bool, now: u64) {
    while let Some(Some(post)) = with(|outbox, services| outbox.poll(root, services, flush, now)) {
        let call = Call {
            method: "POST",
            path: "/sync/v1/usage",
            body: Some(&post.body),
            timeout: Duration::from_nanos(TIMEOUT),
        };
        let sent = callout::send(from, &post.service, &call);
        with(|outbox, _| match sent {
            Some(token) => outbox.sent(post.id, token),
            None => outbox.failed(post.id, now),
        });
    }
}

/// Nothing that is done with it comes back here, so that it is never borrowed already.
fn with<T>(act: impl FnOnce(&mut Outbox, &Services) -> T) -> Option<T> {
    OUTBOX.with(|outbox| {
        let mut outbox = outbox.try_borrow_mut().ok()?;
        services::with(|services| act(&mut outbox, services))
    })
}
