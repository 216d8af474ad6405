//! The headers by which SDKs learn of limits and of when to try again.

use crate::go_duration::go_duration;
use crate::ledger::Standings;
use crate::quota::{Exceeded, Nanos, SECOND};

/// Waits up to this are honoured by every SDK; at 60 s some retry at once instead (openai-node 4).
const LONGEST_PROMISED_WAIT: Nanos = 59_999_000_000;

/// The six `x-ratelimit-*` headers, by the names and in the units of OpenAI
/// (<https://platform.openai.com/docs/guides/rate-limits>): resets are the time until fully restored.
#[must_use]
pub fn rate_limit_headers(standings: &Standings) -> [(&'static str, String); 6] {
    let Standings {
        requests, tokens, ..
    } = standings;
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

/// What makes SDKs wait just long enough, or not try again at all: both forms of the wait where waiting
/// cures it within a minute, `x-should-retry: false` where it does not.
pub(super) fn retry_headers(exceeded: Exceeded) -> Vec<(&'static str, String)> {
    let Exceeded::Wait(wait) = exceeded else {
        return vec![("x-should-retry", "false".into())];
    };
    let seconds = wait.div_ceil(SECOND).max(1);
    let mut headers = vec![("retry-after", seconds.to_string())];
    if wait <= LONGEST_PROMISED_WAIT {
        headers.push((
            "retry-after-ms",
            wait.div_ceil(1_000_000).max(1).to_string(),
        ));
        headers.push(("x-should-retry", "true".into()));
    } else {
        headers.push(("x-should-retry", "false".into()));
    }
    headers
}
