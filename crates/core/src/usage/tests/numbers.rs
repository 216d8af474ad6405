//! The numbers of an answer that are accepted as counts.

use super::*;

#[test]
fn a_count_is_a_plausible_number_as_json_writes_it() {
    const BILLION: u64 = 1_000_000_000;
    for (number, count) in [
        ("12", Some(12)),
        ("12.0", Some(12)),
        ("12.9", Some(12)),
        ("1e3", Some(1_000)),
        ("1200e-2", Some(12)),
        ("1000000000", Some(BILLION)),
        ("1000000000.5", Some(BILLION)),
        // A prompt of zero is estimated. A negative number, or more than any answer has, is no count.
        ("-0", Some(0)),
        ("0.5", Some(0)),
        ("-1", None),
        ("-0.5", None),
        ("1000000001", None),
        ("1e20", None),
        ("99999999999999999999999999999999", None),
        // Not numbers in JSON.
        ("01", None),
        ("1.2.3", None),
        ("1e2e3", None),
        ("1-2", None),
        ("+1", None),
        ("-", None),
        ("1.", None),
        ("NaN", None),
        ("-Infinity", None),
    ] {
        let body = format!(r#"{{"usage":{{"completion_tokens":3,"prompt_tokens":{number}}}}}"#);
        let expected = match count {
            Some(count @ 1..) => Usage::Exact(tokens(count, 3, 0)),
            // The prompt is estimated.
            _ => Usage::Estimated(tokens(7, 3, 0)),
        };
        for size in 1..=body.len() {
            let chunks = body.as_bytes().chunks(size);
            let (_, usage) = run(meter(Form::Json, PLAN), chunks, Ending::Complete);
            assert_eq!(usage, expected, "{number} by {size}");
        }
    }
}
