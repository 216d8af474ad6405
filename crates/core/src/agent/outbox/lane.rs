//! The queue for one service, and the rate at which it is sent.

use std::collections::VecDeque;
use std::rc::Rc;

use super::PARALLEL;
use super::tallies::{TALLY_BYTES, Tallies};
use crate::config::ServicePolicy;
use crate::sync::SyncError;
use crate::sync::events::BatchWriter;
use crate::time::{Nanos, SECOND};

/// The size at which a batch is closed. The service accepts batches of this size, whatever their events are.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// The pause after the first failure. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Nanos = SECOND / 5;
const LONGEST_PAUSE: Nanos = 2 * SECOND;

/// Encoded events that are sent together. A batch never changes, so that it can be sent again.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) body: Rc<Vec<u8>>,
    /// The bytes of its events.
    pub(super) bytes: usize,
    pub(super) events: u64,
    /// How many refused requests it stands for, if it holds sums of refusals; `None` if it holds events of admitted
    /// requests.
    refusals: Option<u64>,
}

/// What was dropped to make room.
#[derive(Default)]
pub(super) struct GivenUp {
    pub(super) bytes: usize,
    pub(super) events: u64,
    pub(super) refusals: u64,
}

/// When batches may be sent, and how many at once.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Nanos,
    not_before: Nanos,
}

impl Pace {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure. Batches that were sent together and fail together count as one failure.
    pub(super) fn failed(&mut self, now: Nanos) {
        if now >= self.not_before {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.not_before = now.saturating_add(self.pause);
        }
    }

    /// How many batches may be sent and not answered.
    fn width(&self, now: Nanos) -> usize {
        match self.pause {
            0 => PARALLEL,
            _ => usize::from(now >= self.not_before),
        }
    }
}

/// The queue for one service.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) cluster: String,
    pub(super) service: ServicePolicy,
    /// The batch to which events are added.
    open: BatchWriter,
    /// Closed batches in the order in which they are sent.
    pub(super) waiting: VecDeque<Batch>,
    pub(super) tallies: Tallies,
    pub(super) pace: Pace,
    under_way: usize,
    /// Whether a batch of refusals is sent and not answered.
    refusals_under_way: bool,
}

impl Lane {
    pub(super) fn new(service: ServicePolicy) -> Self {
        Self {
            cluster: service.cluster.clone(),
            service,
            open: BatchWriter::default(),
            waiting: VecDeque::new(),
            tallies: Tallies::default(),
            pace: Pace::default(),
            under_way: 0,
            refusals_under_way: false,
        }
    }

    /// Adds an event as encoded by `UsageEvent::to_block`.
    pub(super) fn push(&mut self, block: &[u8]) -> Result<(), SyncError> {
        if self.is_full() {
            self.close_open();
        }
        self.open.push_block(block)
    }

    /// Whether the lane holds no events.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
            && self.waiting.is_empty()
            && self.tallies.is_empty()
            && self.under_way == 0
    }

    /// Returns the next batch and counts it as sent. Open sums are counted above their size ([`TALLY_BYTES`]); `held`
    /// is corrected when they are closed.
    pub(super) fn next(&mut self, flush: bool, held: &mut usize, now: Nanos) -> Option<Batch> {
        if self.under_way >= self.pace.width(now) {
            return None;
        }
        // New events are queued although failed batches wait, so that a batch that always fails does not block them.
        if self.waiting.len() < PARALLEL {
            if self.is_full() || (flush && !self.open.is_empty()) {
                self.close_open();
            }
            if flush && !self.has_refusals_out() {
                self.close_tallies(held, now);
            }
        }
        let batch = self.waiting.pop_front()?;
        self.under_way += 1;
        self.refusals_under_way |= batch.refusals.is_some();
        Some(batch)
    }

    /// Notes that a batch was answered or given up.
    pub(super) fn done(&mut self, batch: &Batch) {
        self.under_way = self.under_way.saturating_sub(1);
        if batch.refusals.is_some() {
            self.refusals_under_way = false;
        }
    }

    /// Drops refused requests, beginning with those that were sent before.
    pub(super) fn give_up_refusals(&mut self) -> Option<GivenUp> {
        if let Some(at) = self.waiting.iter().position(|b| b.refusals.is_some()) {
            let batch = self.waiting.remove(at)?;
            return Some(GivenUp {
                bytes: batch.bytes,
                refusals: batch.refusals.unwrap_or(0),
                events: 0,
            });
        }
        if self.tallies.is_empty() {
            return None;
        }
        let (refusals, sums) = self.tallies.clear();
        Some(GivenUp {
            bytes: sums * TALLY_BYTES,
            refusals,
            events: 0,
        })
    }

    /// Drops the oldest events that are not sent.
    pub(super) fn give_up_oldest(&mut self) -> Option<GivenUp> {
        if self.waiting.is_empty() && !self.open.is_empty() {
            self.close_open();
        }
        self.waiting.pop_front().map(|batch| GivenUp {
            bytes: batch.bytes,
            events: batch.events,
            refusals: 0,
        })
    }

    /// Whether a batch of refusals was closed and not yet confirmed. There is one at a time, which bounds their memory.
    fn has_refusals_out(&self) -> bool {
        self.refusals_under_way || self.waiting.iter().any(|b| b.refusals.is_some())
    }

    fn is_full(&self) -> bool {
        // Events are added whole, so that a batch may exceed the size by one event.
        self.open.bytes() >= MAX_BATCH_BYTES || self.open.is_full()
    }

    fn close_open(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.waiting.push_back(Batch::new(open, None));
    }

    fn close_tallies(&mut self, held: &mut usize, now: Nanos) {
        if let Some((batch, requests, sums)) = self.tallies.close(now) {
            *held = held
                .saturating_sub(sums * TALLY_BYTES)
                .saturating_add(batch.bytes());
            self.waiting.push_back(Batch::new(batch, Some(requests)));
        }
    }
}

impl Batch {
    fn new(written: BatchWriter, refusals: Option<u64>) -> Self {
        Self {
            bytes: written.bytes(),
            events: u64::try_from(written.len()).unwrap_or(u64::MAX),
            refusals,
            body: Rc::new(written.finish()),
        }
    }
}
