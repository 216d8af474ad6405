//! The requests that the mock received, for tests to read back: the newest ones, in bounded memory.
//!
//! Capturing a request moves a header map, copies a small body and takes a few short locks. Rendering, hashing and
//! base64 are done when the capture is read. Answers still under way are listed too, as `"outcome": "open"`.

mod entry;
mod totals;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::request::Parts;
use bytes::Bytes;
use serde_json::Value;

pub(crate) use entry::{Entry, Outcome, latin1};
use totals::Totals;

/// The most requests kept.
pub const MAX_REQUESTS: usize = 10_000;
/// The longest body kept whole, in bytes. A longer body is kept as its length and SHA-256.
pub const MAX_BODY: usize = 64 << 10;
/// The most bytes of headers and bodies kept. Beyond it the oldest requests are removed.
pub const MAX_BYTES: usize = 64 << 20;
/// The most key ids with sums of their own. Later key ids share `(others)`.
pub const MAX_KEYS: usize = 200_000;

/// Locks. A poisoned lock is taken all the same, so that counters stay readable after a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which requests to list. An absent field matches every request.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    x_request_id: Option<String>,
    tag: Option<String>,
}

/// The newest entries, each with the bytes that it adds to the total.
#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
    last: u64,
}

impl Kept {
    fn shrink(&mut self) {
        while self.entries.len() > MAX_REQUESTS || self.bytes > MAX_BYTES {
            let Some((_, weight)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= weight;
        }
    }
}

/// The requests, the sums and the attempts.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    kept: Mutex<Kept>,
    totals: Mutex<Totals>,
    attempts: Mutex<BTreeMap<String, u64>>,
}

impl Capture {
    /// Begins a request; entries are numbered from 1.
    pub(crate) fn begin(&self, parts: Parts) -> Arc<Entry> {
        let mut kept = lock(&self.kept);
        kept.last += 1;
        let entry = Arc::new(Entry::new(kept.last, parts));
        let weight = entry.header_bytes();
        kept.bytes += weight;
        kept.entries.push_back((entry.clone(), weight));
        kept.shrink();
        entry
    }

    /// Keeps a request's body.
    pub(crate) fn body(&self, entry: &Entry, body: &Bytes) {
        entry.set_body(body);
        if body.len() > MAX_BODY {
            return;
        }
        let mut kept = lock(&self.kept);
        let Some((first, _)) = kept.entries.front() else {
            return;
        };
        // Numbers are consecutive, so the place follows from the number. A removed entry has none.
        let place = entry
            .seq
            .checked_sub(first.seq)
            .and_then(|i| usize::try_from(i).ok());
        if let Some((_, weight)) = place.and_then(|i| kept.entries.get_mut(i)) {
            *weight += body.len();
            kept.bytes += body.len();
            kept.shrink();
        }
    }

    /// Ends a request and adds its usage to the sums. Only the first end counts.
    pub(crate) fn end(&self, entry: &Entry, outcome: Outcome) {
        if let Some(counted) = entry.end(outcome) {
            let key = entry
                .header("x-gmtech-key-id")
                .unwrap_or_else(|| "(none)".into());
            lock(&self.totals).add(key, outcome, &counted);
        }
    }

    /// Whether this attempt at `what` fails: the first `times` attempts do, the next passes, then the count starts over.
    pub(crate) fn fails(&self, what: &str, times: u64) -> bool {
        let mut attempts = lock(&self.attempts);
        let seen = attempts.entry(what.to_owned()).or_default();
        let fails = *seen < times;
        if fails {
            *seen += 1;
        } else {
            attempts.remove(what);
        }
        fails
    }

    /// The requests that match `filter`, oldest first.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<Value> {
        let entries: Vec<Arc<Entry>> = lock(&self.kept)
            .entries
            .iter()
            .map(|(entry, _)| entry.clone())
            .collect();
        entries
            .iter()
            .filter(|entry| {
                filter.x_request_id.is_none() || entry.header("x-request-id") == filter.x_request_id
            })
            .filter(|entry| filter.tag.is_none() || lock(&entry.progress).tag == filter.tag)
            .map(|entry| entry.render())
            .collect()
    }

    /// True usage, overall and by key id.
    pub(crate) fn usage(&self) -> Value {
        lock(&self.totals).render()
    }

    /// Forgets everything but the numbering.
    pub(crate) fn clear(&self) {
        let mut kept = lock(&self.kept);
        *kept = Kept {
            last: kept.last,
            ..Kept::default()
        };
        *lock(&self.totals) = Totals::default();
        lock(&self.attempts).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn request(capture: &Capture, body: &[u8]) -> Arc<Entry> {
        let entry = capture.begin(Request::new(()).into_parts().0);
        capture.body(&entry, &Bytes::copy_from_slice(body));
        entry
    }

    #[test]
    fn the_newest_requests_are_kept() {
        let capture = Capture::default();
        for _ in 0..MAX_REQUESTS + 5 {
            request(&capture, b"x");
        }
        let kept = lock(&capture.kept);
        assert_eq!(
            (kept.entries.len(), kept.bytes),
            (MAX_REQUESTS, MAX_REQUESTS)
        );
        assert_eq!(kept.entries.front().unwrap().0.seq, 6);
    }

    #[test]
    fn memory_is_bounded_in_bytes_too() {
        let capture = Capture::default();
        let body = vec![b'x'; MAX_BODY];
        for _ in 0..MAX_BYTES / MAX_BODY + 3 {
            request(&capture, &body);
        }
        assert_eq!(lock(&capture.kept).entries.len(), MAX_BYTES / MAX_BODY);
        assert_eq!(lock(&capture.kept).bytes, MAX_BYTES);
    }

    #[test]
    fn a_body_that_comes_after_its_request_was_forgotten_weighs_nothing() {
        let capture = Capture::default();
        let early = capture.begin(Request::new(()).into_parts().0);
        capture.clear();
        request(&capture, b"ab");
        capture.body(&early, &Bytes::from_static(b"late"));
        assert_eq!(lock(&capture.kept).bytes, 2);
    }

    #[test]
    fn attempts_fail_as_often_as_asked_and_then_start_over() {
        let capture = Capture::default();
        let seen: Vec<bool> = (0..6).map(|_| capture.fails("a", 2)).collect();
        assert_eq!(seen, [true, true, false, true, true, false]);
        assert!(!capture.fails("b", 0));
    }
}
