//! Usage on its way to the key service: queued when a stream is settled, posted in batches by the root context.
//!
//! # Failure policy
//! A batch that was not taken is posted again; the service counts each event once. The queue is bounded: when it
//! is half full refusals are no longer queued, when it is full nothing is, and what is dropped is counted. What a
//! VM that traps loses, like what is dropped here, is in the access log, which can be replayed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use gmtech_core::config::ServicePolicy;
use gmtech_core::sync::events::{UsageEvent, encode_batch};
use proxy_wasm::traits::Context;

use crate::host::callout::{self, Call};
use crate::host::{Status, clock, metrics, random};

/// The most events that one VM holds. About 300 bytes each.
const CAPACITY: usize = 10_000;

const BATCH: usize = 500;

const TIMEOUT: Duration = Duration::from_secs(5);

/// After a failure.
const PAUSE: u64 = 1_000_000_000;

thread_local! {
    static QUEUE: RefCell<VecDeque<UsageEvent>> = const { RefCell::new(VecDeque::new()) };
    /// A random half and a count: unique without asking the host for randomness at every request.
    static IDS: RefCell<(u64, u64)> = const { RefCell::new((0, 0)) };
}

/// A new event's id.
pub(crate) fn new_id() -> Result<[u8; 16], Status> {
    IDS.with(|ids| {
        let Ok(mut ids) = ids.try_borrow_mut() else {
            return Ok([0; 16]);
        };
        if ids.0 == 0 {
            ids.0 = random::u64()?.max(1);
        }
        ids.1 = ids.1.wrapping_add(1);
        let mut id = [0; 16];
        for (to, from) in id
            .iter_mut()
            .zip(ids.0.to_be_bytes().into_iter().chain(ids.1.to_be_bytes()))
        {
            *to = from;
        }
        Ok(id)
    })
}

/// Queues an event.
pub(crate) fn push(event: UsageEvent) {
    QUEUE.with(|queue| {
        if let Ok(mut queue) = queue.try_borrow_mut() {
            let limit = if event.decision.as_str() == "allowed" {
                CAPACITY
            } else {
                CAPACITY / 2
            };
            if queue.len() < limit {
                queue.push_back(event);
            } else {
                metrics::count("gmtech_usage_dropped", 1);
            }
        }
    });
}

/// One root context's part in posting.
#[derive(Default)]
pub(crate) struct Poster {
    under_way: Option<(u32, usize)>,
    not_before: u64,
}

impl Poster {
    /// Posts what is queued, unless a batch is under way.
    pub(crate) fn tick(
        &mut self,
        from: &dyn Context,
        service: &ServicePolicy,
    ) -> Result<(), Status> {
        if self.under_way.is_some() || clock::now()?.monotonic < self.not_before {
            return Ok(());
        }
        let batch: Vec<UsageEvent> = QUEUE.with(|q| {
            q.try_borrow()
                .map(|q| q.iter().take(BATCH).cloned().collect())
                .unwrap_or_default()
        });
        if batch.is_empty() {
            return Ok(());
        }
        let Ok(bytes) = encode_batch(&batch) else {
            return Ok(());
        };
        let call = Call {
            method: "POST",
            path: "/sync/v1/usage",
            body: Some(&bytes),
            timeout: TIMEOUT,
        };
        match callout::send(from, service, &call) {
            Some(token) => self.under_way = Some((token, batch.len())),
            None => self.not_before = clock::now()?.monotonic.saturating_add(PAUSE),
        }
        Ok(())
    }

    /// Takes an answer; whether it was this poster's.
    pub(crate) fn answered(&mut self, token: u32, size: usize) -> Result<bool, Status> {
        let Some((_, count)) = self.under_way.filter(|(sent, _)| *sent == token) else {
            return Ok(false);
        };
        self.under_way = None;
        if callout::answer(size)?.is_some() {
            QUEUE.with(|queue| {
                if let Ok(mut queue) = queue.try_borrow_mut() {
                    let posted = count.min(queue.len());
                    queue.drain(..posted);
                }
            });
            metrics::count("gmtech_usage_posted", u64::try_from(count).unwrap_or(0));
        } else {
            self.not_before = clock::now()?.monotonic.saturating_add(PAUSE);
            metrics::count("gmtech_usage_retries", 1);
        }
        Ok(true)
    }
}
