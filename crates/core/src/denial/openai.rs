//! Errors and limits as OpenAI tells of them.

use serde::Serialize;

use super::dialect::{Told, json};
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

pub(super) fn body(told: &Told<'_>) -> String {
    json(&Envelope {
        error: Error {
            message: told.message,
            r#type: told.kind.error_type,
            param: told.kind.param,
            code: told.kind.code,
        },
    })
}

/// By the names and in the units of <https://platform.openai.com/docs/guides/rate-limits>: resets are the time
/// until fully restored.
pub(super) fn limit_headers(snapshot: &LimitSnapshot) -> [(&'static str, String); 6] {
    let LimitSnapshot {
        requests, tokens, ..
    } = snapshot;
    [
        ("x-ratelimit-limit-requests", requests.limit.to_string()),
        ("x-ratelimit-limit-tokens", tokens.limit.to_string()),
        (
            "x-ratelimit-remaining-requests",
            requests.remaining.to_string(),
        ),
        ("x-ratelimit-remaining-tokens", tokens.remaining.to_string()),
        ("x-ratelimit-reset-requests", go_duration(requests.reset)),
        ("x-ratelimit-reset-tokens", go_duration(tokens.reset)),
    ]
}
