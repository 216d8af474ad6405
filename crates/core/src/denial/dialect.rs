//! The provider's form in which the gate writes its own answers. An SDK reads only its own provider's errors, and shows
//! no more than "Unauthorized" for any other.
//!
//! A path that only one API has decides. On paths that several APIs share, headers that only one provider's clients
//! send decide. In doubt the form is OpenAI's.

use percent_encoding::percent_decode;

use super::error_parts::ErrorParts;
use super::{anthropic, gemini, openai};
use crate::head::Head;
use crate::key::holds_key;
use crate::limiter::LimitSnapshot;

/// The provider whose form errors and limit headers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error":{"message","type","param","code"}}`, `x-ratelimit-*`.
    #[default]
    OpenAi,
    /// `{"type":"error","error":{"type","message"}}`, `anthropic-ratelimit-*`.
    Anthropic,
    /// `{"error":{"code","message","status"}}`; Google has no limit headers, so OpenAI's are used.
    Gemini,
}

/// The client that reads an answer of the gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The provider whose SDK the client uses.
    pub dialect: Dialect,
    /// The request's `x-request-id`. Anthropic's SDKs read it from a header with another name.
    pub request_id: Option<String>,
}

/// The most segments in the path of a known API.
const MAX_SEGMENTS: usize = 24;

/// The longest request id that is quoted, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// The first segment after the version on paths that only OpenAI-compatible APIs have.
const OPENAI_ONLY: [&str; 11] = [
    "audio",
    "chat",
    "completions",
    "embeddings",
    "engines",
    "images",
    "moderations",
    "openai",
    "realtime",
    "rerank",
    "responses",
];

impl Dialect {
    /// The dialect of the client that sent this head.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Self {
        let segments: Vec<String> = head
            .path()
            .split(|b| *b == b'/')
            .filter(|s| !s.is_empty())
            .take(MAX_SEGMENTS)
            .map(|s| percent_decode(s).decode_utf8_lossy().to_ascii_lowercase())
            .collect();
        let version = segments.iter().position(|s| is_version(s));
        let tail = segments
            .get(version.map_or(0, |at| at.saturating_add(1))..)
            .unwrap_or_default();
        let first = tail.first().map_or("", String::as_str);
        let previews = version
            .and_then(|at| segments.get(at))
            .is_some_and(|v| v.contains("beta") || v.contains("alpha"));
        if OPENAI_ONLY.contains(&first) {
            Self::OpenAi
        } else if first == "messages" {
            Self::Anthropic
        } else if previews || (head.method() == b"POST" && calls_a_model(tail)) {
            Self::Gemini
        } else if head.get("anthropic-version").is_some() {
            Self::Anthropic
        } else if head.get("x-goog-api-key").is_some() || head.get("x-goog-api-client").is_some() {
            Self::Gemini
        } else {
            Self::OpenAi
        }
    }

    /// Writes the headers with the limits of requests and tokens, what remains of each, and its reset, as the dialect's
    /// clients read them. `wall_millis` is the time of the snapshot in milliseconds since the Unix epoch.
    #[must_use]
    pub fn limit_headers(
        self,
        snapshot: &LimitSnapshot,
        wall_millis: u64,
    ) -> Vec<(&'static str, String)> {
        match self {
            Self::OpenAi | Self::Gemini => openai::limit_headers(snapshot),
            Self::Anthropic => anthropic::limit_headers(snapshot, wall_millis),
        }
    }
}

impl Audience {
    /// The audience of answers to a request with this head.
    #[must_use]
    pub fn of(head: &Head<'_>) -> Self {
        let id = head.get("x-request-id").filter(|id| {
            (1..=MAX_REQUEST_ID).contains(&id.len())
                && id.iter().all(u8::is_ascii_graphic)
                && !holds_key(id)
        });
        Self {
            dialect: Dialect::of(head),
            request_id: id.and_then(|id| String::from_utf8(id.to_vec()).ok()),
        }
    }

    pub(super) fn body(&self, parts: &ErrorParts<'_>) -> String {
        match self.dialect {
            Dialect::OpenAi => openai::body(parts),
            Dialect::Anthropic => anthropic::body(parts, self.request_id.as_deref()),
            Dialect::Gemini => gemini::body(parts),
        }
    }

    /// The dialect's own header on every refusal, if it has one.
    pub(super) fn headers(&self) -> Option<(&'static str, String)> {
        let id = self.request_id.clone()?;
        (self.dialect == Dialect::Anthropic).then_some(("request-id", id))
    }
}

/// Whether the path calls a method of a model (`models/{m}:generateContent`). The names of OpenAI's fine-tuned models
/// contain colons too, but their paths take no POST.
fn calls_a_model(tail: &[String]) -> bool {
    let Some((last, before)) = tail.split_last() else {
        return false;
    };
    last.contains(':') && before.iter().any(|s| s == "models" || s == "tunedmodels")
}

fn is_version(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    bytes.next() == Some(b'v') && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
