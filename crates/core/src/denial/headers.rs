//! The headers by which SDKs decide when to try again. They are the same for all dialects.

use crate::limiter::gcra::{Exceeded, Standing};
use crate::time::{Nanos, SECOND};

/// The longest wait that every SDK keeps to. At 60 s some retry at once instead (openai-node 4).
const LONGEST_PROMISED_WAIT: Nanos = 59_999_000_000;

/// Makes SDKs wait just long enough, or not try again. A wait up to [`LONGEST_PROMISED_WAIT`] is written in both forms
/// (`retry-after` and `retry-after-ms`) with `x-should-retry: true`. A longer one is written as `retry-after` with
/// `x-should-retry: false`, and if no wait helps, there is only the latter.
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

/// Writes the headers of one rate, by their `names`: limit, remaining, reset. Empty if there is no limit.
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
