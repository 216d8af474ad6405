//! Formats spans like Go's `time.Duration`: `12ms`, `1s`, `6m0s`, `2m59.56s`. OpenAI uses this form in its
//! `x-ratelimit-reset-*` headers and in messages.

use crate::time::Nanos;

const MILLI: Nanos = 1_000_000;

/// Formats `span`, rounded up to a millisecond, so that a client that waits that long waits long enough.
///
/// ```
/// use gmtech_core::go_duration::go_duration;
///
/// assert_eq!(go_duration(179_560_000_000), "2m59.56s");
/// assert_eq!(go_duration(1), "1ms");
/// ```
#[must_use]
pub fn go_duration(span: Nanos) -> String {
    let millis = span.div_ceil(MILLI);
    if millis == 0 {
        return "0s".into();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let mut seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_formatted_like_go_durations() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ms"),
            (12 * MILLI, "12ms"),
            (999 * MILLI, "999ms"),
            (999 * MILLI + 1, "1s"),
            (1_000 * MILLI, "1s"),
            (9_816 * MILLI, "9.816s"),
            (10_000 * MILLI, "10s"),
            (60_000 * MILLI, "1m0s"),
            (179_560 * MILLI, "2m59.56s"),
            (360_000 * MILLI, "6m0s"),
            (3_600_000 * MILLI, "1h0m0s"),
            (3_661_001 * MILLI, "1h1m1.001s"),
        ] {
            assert_eq!(go_duration(nanos), text, "{nanos}");
        }
        assert!(!go_duration(Nanos::MAX).is_empty());
    }
}
