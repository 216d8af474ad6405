//! Errors and limit headers in OpenAI's form.

use serde::Serialize;

use super::error_parts::{ErrorParts, json};
use super::headers::rate_headers;
use crate::go_duration::go_duration;
use crate::limiter::LimitSnapshot;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

pub(super) fn body(parts: &ErrorParts<'_>) -> String {
    json(&Envelope {
        error: Error {
            message: parts.message,
            r#type: parts.kind.error_type,
            param: parts.kind.param,
            code: parts.kind.code,
        },
    })
}

/// Writes the headers of <https://platform.openai.com/docs/guides/rate-limits>. A reset is the time until the limit is
/// fully restored.
pub(super) fn limit_headers(snapshot: &LimitSnapshot) -> Vec<(&'static str, String)> {
    let requests = [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ];
    let tokens = [
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ];
    let requests = rate_headers(snapshot.requests, requests, go_duration);
    let tokens = rate_headers(snapshot.tokens, tokens, go_duration);
    requests.chain(tokens).collect()
}
