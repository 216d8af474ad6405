//! What the mock received, kept for tests to read back: the newest requests, in bounded memory.
//!
//! A request costs a moved header map, a copy of a small body and two short locks; rendering, hashing and
//! base64 wait until somebody asks. Answers still under way are listed too, as `"outcome": "open"`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, Uri, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::count::Tokens;

/// The most requests kept.
pub const MAX_REQUESTS: usize = 10_000;
/// The longest body kept whole, in bytes.
pub const MAX_BODY: usize = 64 << 10;
/// Bodies kept together, in bytes; beyond it the oldest requests go.
pub const MAX_BODIES: usize = 64 << 20;
/// The most key ids with sums of their own; later ones share `(others)`.
pub const MAX_KEYS: usize = 200_000;

/// Locks, also after a panic elsewhere: counters stay readable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet.
    #[default]
    Open,
    /// The whole answer was handed to the connection.
    Completed,
    /// An error or a redirect was answered; no tokens.
    Failed,
    /// The mock cut the answer, as asked.
    Cut,
    /// The client went away first.
    Disconnected,
}

/// A request's body as kept.
#[derive(Clone, Debug)]
enum Body {
    Whole(Bytes),
    Digest { length: usize, sha256: [u8; 32] },
}

/// What becomes known while the request is answered.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    body: Option<Body>,
    pub tag: Option<String>,
    pub status: Option<u16>,
    pub outcome: Outcome,
    /// What was truly spent so far.
    pub counted: Tokens,
    /// The last usage that was stated.
    pub reported: Option<Tokens>,
    pub events_sent: u64,
    pub bytes_sent: u64,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Entry {
    pub seq: u64,
    method: Method,
    target: Uri,
    version: Version,
    headers: HeaderMap,
    pub progress: Mutex<Progress>,
}

impl Entry {
    /// Keeps a body, whole if it is small.
    pub(crate) fn set_body(&self, body: &Bytes) {
        let kept = if body.len() <= MAX_BODY {
            // A copy, since a slice would hold on to the connection's whole read buffer.
            Body::Whole(Bytes::copy_from_slice(body))
        } else {
            Body::Digest {
                length: body.len(),
                sha256: Sha256::digest(body).into(),
            }
        };
        lock(&self.progress).body = Some(kept);
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| latin1(value.as_bytes()))
    }

    fn render(&self) -> Value {
        let progress = lock(&self.progress);
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), latin1(value.as_bytes())]))
            .collect();
        json!({
            "seq": self.seq,
            "method": self.method.as_str(),
            "target": self.target.path_and_query().map_or("", |target| target.as_str()),
            "authority": self.target.authority().map(|authority| authority.as_str()),
            "http_version": format!("{:?}", self.version),
            "headers": headers,
            "body": progress.body.as_ref().map(render_body),
            "tag": progress.tag,
            "status": progress.status,
            "outcome": progress.outcome,
            "client_disconnected": progress.outcome == Outcome::Disconnected,
            "events_sent": progress.events_sent,
            "bytes_sent": progress.bytes_sent,
            "usage": {"counted": progress.counted, "reported": progress.reported},
        })
    }
}

/// A byte a character: lossless for any header value.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn render_body(body: &Body) -> Value {
    match body {
        Body::Whole(bytes) => {
            let mut shown =
                json!({"length": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes))});
            match std::str::from_utf8(bytes) {
                Ok(text) => shown["text"] = text.into(),
                Err(_) => shown["base64"] = STANDARD.encode(bytes).into(),
            }
            shown
        }
        Body::Digest { length, sha256 } => json!({"length": length, "sha256": hex::encode(sha256)}),
    }
}

/// Sums of one way to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Sum {
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Sum {
    fn add(&mut self, tokens: &Tokens) {
        self.requests += 1;
        self.prompt_tokens += tokens.prompt;
        self.completion_tokens += tokens.completion;
        self.total_tokens += tokens.total();
    }
}

/// Sums of one key: true usage, whatever the answers said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Sums {
    completed: Sum,
    /// Ended early by either side.
    cut: Sum,
    failed: Sum,
}

impl Sums {
    fn add(&mut self, outcome: Outcome, tokens: &Tokens) {
        match outcome {
            Outcome::Completed => self.completed.add(tokens),
            Outcome::Cut | Outcome::Disconnected => self.cut.add(tokens),
            Outcome::Failed => self.failed.add(tokens),
            Outcome::Open => {}
        }
    }
}

/// Which requests are asked for; a field that is absent asks for nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    x_request_id: Option<String>,
    tag: Option<String>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Totals {
    overall: Sums,
    keys: BTreeMap<String, Sums>,
}

/// The requests and the sums.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    kept: Mutex<Kept>,
    totals: Mutex<Totals>,
    attempts: Mutex<BTreeMap<String, u64>>,
}

impl Capture {
    /// Begins a request. `length` is what its body is announced to take.
    pub(crate) fn begin(
        &self,
        seq: u64,
        parts: axum::http::request::Parts,
        length: usize,
    ) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            seq,
            method: parts.method,
            target: parts.uri,
            version: parts.version,
            headers: parts.headers,
            progress: Mutex::default(),
        });
        let weight = if length <= MAX_BODY { length } else { 0 };
        let mut kept = lock(&self.kept);
        kept.bytes += weight;
        kept.entries.push_back((entry.clone(), weight));
        while kept.entries.len() > MAX_REQUESTS || kept.bytes > MAX_BODIES {
            let Some((_, weight)) = kept.entries.pop_front() else {
                break;
            };
            kept.bytes -= weight;
        }
        entry
    }

    /// Ends a request, once: its usage joins the sums.
    pub(crate) fn end(&self, entry: &Entry, outcome: Outcome) {
        let counted = {
            let mut progress = lock(&entry.progress);
            if progress.outcome != Outcome::Open {
                return;
            }
            progress.outcome = outcome;
            progress.counted
        };
        let mut key = entry
            .header("x-gmtech-key-id")
            .unwrap_or_else(|| "(none)".into());
        let mut totals = lock(&self.totals);
        totals.overall.add(outcome, &counted);
        if totals.keys.len() >= MAX_KEYS && !totals.keys.contains_key(&key) {
            key = "(others)".into();
        }
        totals.keys.entry(key).or_default().add(outcome, &counted);
    }

    /// Whether this attempt is one of the first `times` of `what`: after them one passes, then it starts over.
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

    /// The requests that `filter` asks for, oldest first.
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
        let totals = lock(&self.totals);
        json!({"overall": totals.overall, "keys": totals.keys})
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *lock(&self.kept) = Kept::default();
        *lock(&self.totals) = Totals::default();
        lock(&self.attempts).clear();
    }
}
