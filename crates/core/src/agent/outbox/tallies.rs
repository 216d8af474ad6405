//! Sums of refused requests. One sum has the refusals that agree in all fields of [`order`].

use std::cmp::Ordering;

use crate::sync::events::{BatchWriter, Label, UsageEvent};
use crate::time::{Nanos, SECOND};

/// How long refusals are summed before the sum is reported.
const WINDOW: Nanos = 5 * SECOND;

/// The most open sums.
pub(super) const MAX_TALLIES: usize = 4_096;

/// The number of open sums from which all are reported at the next tick.
const MANY: usize = 1_000;

/// The bytes that an open sum counts as: more than it takes once it is encoded.
pub(super) const TALLY_BYTES: usize = 512;

const MINUTE_MILLIS: u64 = 60_000;

#[derive(Debug)]
struct Tally {
    opened: Nanos,
    /// The first refusal, with the count of all and the time of the last.
    sum: UsageEvent,
}

/// How a refusal was added.
pub(super) enum Added {
    /// It opened a new sum.
    Opened,
    /// It was added to an open sum.
    Summed,
}

/// The open sums, sorted by [`order`].
#[derive(Debug, Default)]
pub(super) struct Tallies(Vec<Tally>);

/// Compares the fields that the key service can query by. The minute is one of them, because the service keeps sums by
/// the minute.
fn order(a: &UsageEvent, b: &UsageEvent) -> Ordering {
    fn subject(e: &UsageEvent) -> impl Ord + '_ {
        let minute = e.started_unix_ms / MINUTE_MILLIS;
        let who = (&e.key, &e.team, &e.tier);
        (who, &e.decision, &e.endpoint_group, minute)
    }
    subject(a).cmp(&subject(b))
}

impl Tallies {
    /// Adds a refusal. `None` if it would open a sum and there is no room for one.
    pub(super) fn add(&mut self, mut event: UsageEvent, room: bool, now: Nanos) -> Option<Added> {
        let found = self.0.binary_search_by(|t| order(&t.sum, &event));
        let at = match found {
            Ok(at) => at,
            Err(at) => {
                if !room || self.0.len() >= MAX_TALLIES {
                    return None;
                }
                // Clients choose these fields, and could open any number of sums with them.
                event.model = None;
                event.endpoint = Label::default();
                event.request_id = Label::default();
                let opened = now;
                self.0.insert(at, Tally { opened, sum: event });
                return Some(Added::Opened);
            }
        };
        if let Some(Tally { sum, .. }) = self.0.get_mut(at) {
            sum.requests = sum.requests.saturating_add(event.requests);
            sum.started_unix_ms = sum.started_unix_ms.max(event.started_unix_ms);
        }
        Some(Added::Summed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closes the sums that are due, at most as many as fit a batch. Returns the batch, the number of requests it
    /// stands for, and the number of sums closed.
    pub(super) fn close(&mut self, now: Nanos) -> Option<(BatchWriter, u64, usize)> {
        let many = self.0.len() >= MANY;
        let (mut batch, mut requests, before) = (BatchWriter::default(), 0, self.0.len());
        self.0.retain(|tally| {
            let due = many || now >= tally.opened.saturating_add(WINDOW);
            if !due || batch.push(&tally.sum).is_err() {
                return true;
            }
            requests += u64::from(tally.sum.requests);
            false
        });
        (!batch.is_empty()).then(|| (batch, requests, before.saturating_sub(self.0.len())))
    }

    /// Drops all sums. Returns how many requests they stood for, and how many sums they were.
    pub(super) fn clear(&mut self) -> (u64, usize) {
        let requests = self.0.iter().map(|t| u64::from(t.sum.requests)).sum();
        (requests, std::mem::take(&mut self.0).len())
    }
}
