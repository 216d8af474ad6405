//! Errors in the form of Google's APIs (<https://cloud.google.com/apis/design/errors>).

use serde::Serialize;

use super::error_parts::{ErrorParts, json};
use crate::limiter::gcra::Exceeded;
use crate::time::{Nanos, SECOND};

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    /// The HTTP status.
    code: u16,
    message: &'a str,
    status: &'static str,
    details: Vec<Detail>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Detail {
    Cause {
        #[serde(rename = "@type")]
        of: &'static str,
        /// The name of the cause, in upper case.
        reason: String,
        domain: &'static str,
    },
    Retry {
        #[serde(rename = "@type")]
        of: &'static str,
        /// A protobuf `Duration`, such as `1.5s`.
        #[serde(rename = "retryDelay")]
        delay: String,
    },
}

pub(super) fn body(parts: &ErrorParts<'_>) -> String {
    let mut details = vec![Detail::Cause {
        of: "type.googleapis.com/google.rpc.ErrorInfo",
        reason: parts.kind.code.to_ascii_uppercase(),
        domain: "gmtech.com",
    }];
    if let Some(Exceeded::Wait(wait)) = parts.wait {
        details.push(Detail::Retry {
            of: "type.googleapis.com/google.rpc.RetryInfo",
            delay: duration(wait),
        });
    }
    json(&Envelope {
        error: Error {
            code: parts.kind.status,
            message: parts.message,
            status: status(parts.kind.status),
            details,
        },
    })
}

/// The name of an HTTP status in `google.rpc.Code`.
fn status(http: u16) -> &'static str {
    match http {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// Formats a span as a protobuf `Duration`, rounded up to a millisecond.
fn duration(span: Nanos) -> String {
    let millis = span.div_ceil(SECOND / 1_000);
    format!("{}.{:03}s", millis / 1_000, millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_name() {
        for (http, name) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (405, "INVALID_ARGUMENT"),
            (413, "INVALID_ARGUMENT"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (502, "INTERNAL"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
        ] {
            assert_eq!(status(http), name);
        }
    }

    #[test]
    fn a_delay_is_a_protobuf_duration_and_never_too_short() {
        for (span, text) in [
            (0, "0.000s"),
            (1, "0.001s"),
            (SECOND, "1.000s"),
            (9_816_000_000, "9.816s"),
            (60 * SECOND, "60.000s"),
        ] {
            assert_eq!(duration(span), text);
        }
    }
}
