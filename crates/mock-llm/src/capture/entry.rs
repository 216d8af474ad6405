//! One request as received, and how much of its answer was sent.

use std::sync::Mutex;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{MAX_BODY, lock};
use crate::count::Tokens;

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It has not ended.
    #[default]
    Open,
    /// The whole answer was written to the connection.
    Completed,
    /// An error or a redirect was answered; no tokens.
    Failed,
    /// The mock cut the answer, because a directive said so.
    Cut,
    /// The client went away first.
    Disconnected,
}

/// A request's body as the capture keeps it.
#[derive(Clone, Debug)]
enum Body {
    Whole(Bytes),
    Digest { length: usize, sha256: [u8; 32] },
}

impl Body {
    fn render(&self) -> Value {
        match self {
            Self::Whole(bytes) => {
                let mut shown =
                    json!({"length": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes))});
                match std::str::from_utf8(bytes) {
                    Ok(text) => shown["text"] = text.into(),
                    Err(_) => shown["base64"] = STANDARD.encode(bytes).into(),
                }
                shown
            }
            Self::Digest { length, sha256 } => {
                json!({"length": length, "sha256": hex::encode(sha256)})
            }
        }
    }
}

/// The part of an entry that changes while the request is answered.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    body: Option<Body>,
    pub tag: Option<String>,
    pub status: Option<u16>,
    outcome: Outcome,
    /// The true usage so far.
    pub counted: Tokens,
    /// The last usage that the answer stated.
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
    pub(super) fn new(seq: u64, parts: Parts) -> Self {
        Self {
            seq,
            method: parts.method,
            target: parts.uri,
            version: parts.version,
            headers: parts.headers,
            progress: Mutex::default(),
        }
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn header_bytes(&self) -> usize {
        self.headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum()
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| latin1(value.as_bytes()))
    }

    pub(super) fn set_body(&self, body: &Bytes) {
        let kept = if body.len() <= MAX_BODY {
            // A copy, since a slice would keep the connection's whole read buffer.
            Body::Whole(Bytes::copy_from_slice(body))
        } else {
            Body::Digest {
                length: body.len(),
                sha256: Sha256::digest(body).into(),
            }
        };
        lock(&self.progress).body = Some(kept);
    }

    /// Ends the entry and returns its true usage; `None` if it had ended before.
    pub(super) fn end(&self, outcome: Outcome) -> Option<Tokens> {
        let mut progress = lock(&self.progress);
        if progress.outcome != Outcome::Open {
            return None;
        }
        progress.outcome = outcome;
        Some(progress.counted)
    }

    pub(super) fn render(&self) -> Value {
        let progress = lock(&self.progress);
        let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
            json!([name.as_str(), latin1(value.as_bytes())])
        };
        json!({
            "seq": self.seq,
            "method": self.method.as_str(),
            "target": self.target.path_and_query().map_or("", |target| target.as_str()),
            "authority": self.target.authority().map(|authority| authority.as_str()),
            "http_version": format!("{:?}", self.version),
            "headers": self.headers.iter().map(header).collect::<Vec<_>>(),
            "body": progress.body.as_ref().map(Body::render),
            "tag": progress.tag,
            "status": progress.status,
            "outcome": progress.outcome,
            "client_disconnected": progress.outcome == Outcome::Disconnected,
            "events_sent": progress.events_sent,
            "bytes_sent": progress.bytes_sent,
            "usage": {
                "counted": render_tokens(&progress.counted),
                "reported": progress.reported.as_ref().map(render_tokens),
            },
        })
    }
}

/// One character for each byte: lossless for any header value.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn render_tokens(tokens: &Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.total(),
        "cached_tokens": tokens.cached,
        "cache_creation_tokens": tokens.cache_creation,
        "reasoning_tokens": tokens.reasoning,
    })
}
