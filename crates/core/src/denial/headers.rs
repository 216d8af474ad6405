//! The headers by which SDKs learn when to try again. All dialects read the same.

use crate::limiter::gcra::{Exceeded, Standing};
use crate::time::{Nanos, SECOND};

/// Waits up to this are honoured by every SDK; at 60 s some retry at once instead (openai-node 4).
const LONGEST_PROMISED_WAIT: Nanos = 59_999_000_000;

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

/// The headers of one rate, by their names: its limit, what remains of it, and its reset. None where nothing is limited.
pub(super) fn rate_headers(
    standing: Option<Standing>,
    [limit, remaining, reset]: [&'static str; 3],
    time: impl Fn(Nanos) -> String,
) -> impl Iterator<Item = (&'static str, String)> {
    let headers = standing.map(|standing| {
        [
            (limit, standing.limit.to_string()),
            (remaining, standing.remaining.to_string()),
            (reset, time(standing.reset)),
        ]
    });
    headers.into_iter().flatten()
}
