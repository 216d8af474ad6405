//! What waits for one service, and how fast it may go there.

use std::collections::VecDeque;
use std::rc::Rc;

use super::PARALLEL;
use super::tallies::{TALLY_BYTES, Tallies};
use crate::config::ServicePolicy;
use crate::sync::SyncError;
use crate::sync::events::BatchWriter;
use crate::time::{Nanos, SECOND};

/// A batch is closed before it is larger, so that the service takes it whatever its events are.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// After a failure, doubled up to the longest.
const FIRST_PAUSE: Nanos = SECOND / 5;
const LONGEST_PAUSE: Nanos = 2 * SECOND;

/// Events that travel together, as they are sent. It never changes, so that it can be sent again.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) body: Rc<Vec<u8>>,
    /// The bytes of its events.
    pub(super) bytes: usize,
    pub(super) events: u64,
    /// How many refused requests it stands for; then it holds nothing else.
    refusals: Option<u64>,
}

/// What was given up to make room.
#[derive(Default)]
pub(super) struct GivenUp {
    pub(super) bytes: usize,
    pub(super) events: u64,
    pub(super) refusals: u64,
}

/// How fast batches may be sent.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pause: Nanos,
    not_before: Nanos,
}

impl Pace {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Several that were under way fail for one reason: it is one failure.
    pub(super) fn failed(&mut self, now: Nanos) {
        if now >= self.not_before {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.not_before = now.saturating_add(self.pause);
        }
    }

    /// How many may be under way.
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
    /// The batch that events are added to.
    open: BatchWriter,
    /// Batches to be sent, the next one first.
    pub(super) waiting: VecDeque<Batch>,
    pub(super) tallies: Tallies,
    pub(super) pace: Pace,
    under_way: usize,
    /// Whether a batch of refusals is under way.
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

    /// Adds an event as `UsageEvent::to_block` gives it.
    pub(super) fn push(&mut self, block: &[u8]) -> Result<(), SyncError> {
        if self.is_full() {
            self.close_open();
        }
        self.open.push_block(block)
    }

    /// Whether nothing waits or is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
            && self.waiting.is_empty()
            && self.tallies.is_empty()
            && self.under_way == 0
    }

    /// The next batch, counted as under way. `held` loses what open sums were counted as more than their bytes.
    pub(super) fn next(&mut self, flush: bool, held: &mut usize, now: Nanos) -> Option<Batch> {
        if self.under_way >= self.pace.width(now) {
            return None;
        }
        // Behind what waits, so that a batch that always fails does not keep them from being sent.
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

    /// A batch is no longer under way.
    pub(super) fn done(&mut self, batch: &Batch) {
        self.under_way = self.under_way.saturating_sub(1);
        if batch.refusals.is_some() {
            self.refusals_under_way = false;
        }
    }

    /// Gives up refused requests, those that were sent before first.
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

    /// Gives up the oldest events that are not under way.
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

    /// Whether a batch of refusals was made and not yet taken: one at a time bounds what they hold.
    fn has_refusals_out(&self) -> bool {
        self.refusals_under_way || self.waiting.iter().any(|b| b.refusals.is_some())
    }

    fn is_full(&self) -> bool {
        // Whole events are added, so that a batch may end one event above.
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
