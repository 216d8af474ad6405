//! Errors and limit headers in Anthropic's form (<https://docs.anthropic.com/en/api/errors>).

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::error_parts::{ErrorParts, json};
use super::headers::rate_headers;
use crate::limiter::LimitSnapshot;
use crate::time::{Nanos, SECOND};

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Error<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    r#type: &'static str,
    message: &'a str,
    details: Details<'a>,
}

/// The object in which its SDKs look for the code (`error_code`).
#[derive(Serialize)]
struct Details<'a> {
    error_code: &'a str,
}

pub(super) fn body(parts: &ErrorParts<'_>, request_id: Option<&str>) -> String {
    json(&Envelope {
        r#type: "error",
        error: Error {
            r#type: error_type(parts.kind.status, parts.kind.code),
            message: parts.message,
            details: Details {
                error_code: parts.kind.code,
            },
        },
        request_id,
    })
}

/// The error type for a status. Anthropic's own status for an account without credit is 402.
fn error_type(status: u16, code: &str) -> &'static str {
    match status {
        _ if code == "insufficient_quota" => "billing_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Writes the headers of <https://docs.anthropic.com/en/api/rate-limits>. A reset is the RFC 3339 time at which the
/// limit is fully restored, counted from `wall_millis`. The limit of tokens is the one for input and output together,
/// as in the gate.
pub(super) fn limit_headers(
    snapshot: &LimitSnapshot,
    wall_millis: u64,
) -> Vec<(&'static str, String)> {
    let requests = [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ];
    let tokens = [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];
    let reset = |span| rfc_3339(wall_millis, span);
    let requests = rate_headers(snapshot.requests, requests, reset);
    let tokens = rate_headers(snapshot.tokens, tokens, reset);
    requests.chain(tokens).collect()
}

/// The end of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// Formats the time `span` after `wall_millis`, rounded up to a second, so that a client that waits until then waits
/// long enough.
fn rfc_3339(wall_millis: u64, span: Nanos) -> String {
    let millis = wall_millis.saturating_add(span.div_ceil(SECOND / 1_000));
    let seconds = millis.div_ceil(1_000).min(LAST_SECOND);
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    humantime::format_rfc3339_seconds(time.unwrap_or(UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_error_type() {
        for (status, code, error_type) in [
            (400, "invalid_json", "invalid_request_error"),
            (401, "invalid_api_key", "authentication_error"),
            (403, "model_not_found", "permission_error"),
            (404, "unknown_url", "not_found_error"),
            (405, "method_not_allowed", "invalid_request_error"),
            (413, "request_too_large", "request_too_large"),
            (415, "unsupported_encoding", "invalid_request_error"),
            (429, "rate_limit_exceeded", "rate_limit_error"),
            (429, "insufficient_quota", "billing_error"),
            (500, "x", "api_error"),
            (502, "bad_gateway", "api_error"),
            (503, "gate_unavailable", "overloaded_error"),
            (504, "x", "timeout_error"),
        ] {
            assert_eq!(super::error_type(status, code), error_type, "{status}");
        }
    }

    #[test]
    fn a_reset_is_a_valid_time_and_never_too_early() {
        for (wall_millis, span, time) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_800_000_000_000, 0, "2027-01-15T08:00:00Z"),
            (1_800_000_000_001, 0, "2027-01-15T08:00:01Z"),
            (1_800_000_000_000, 1, "2027-01-15T08:00:01Z"),
            (1_800_000_000_000, 60 * SECOND, "2027-01-15T08:01:00Z"),
            (1_800_000_000_500, 1_500_000_000, "2027-01-15T08:00:02Z"),
            (u64::MAX, u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc_3339(wall_millis, span), time);
        }
    }
}
