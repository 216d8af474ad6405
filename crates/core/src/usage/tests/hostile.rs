//! Hostile and random bytes.

use proptest::prelude::*;

use super::*;

fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just("data: "),
        Just("data:"),
        Just("data"),
        Just("event: error"),
        Just(": c"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\n\ndata: "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\\u00"),
        Just("\\ud83e\\udd80"),
        Just("\"choices\":[]"),
        Just("\"choices\":[{"),
        Just("\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}"),
        Just("{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"),
        Just("\"delta\":{\"content\":\"hi\"}"),
        Just("null"),
        Just("-1e999"),
        Just("12"),
        Just("[DONE]"),
        Just("é\u{feff}"),
    ];
    let piece = prop_oneof![
        9 => fragment.prop_map(|s| s.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|p| p.concat())
}

fn cut_at(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let (mut chunks, mut from) = (Vec::new(), 0);
    for to in at.into_iter().chain([bytes.len()]) {
        chunks.push(bytes[from..to].to_vec());
        from = to;
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_in_any_split_read_the_same_and_pass(
        bytes in fragments(), cuts: Vec<prop::sample::Index>, complete: bool,
    ) {
        let ending = if complete { Ending::Complete } else { Ending::Cut };
        for form in [Form::Json, Form::Sse] {
            for plan in [PLAN, DROPPING] {
                let whole = run(meter(form, plan), [bytes.as_slice()], ending);
                let chunks = cut_at(&bytes, &cuts);
                let split = run(meter(form, plan), chunks.iter().map(Vec::as_slice), ending);
                prop_assert_eq!(&split, &whole);
                if !plan.drop_usage_event {
                    prop_assert_eq!(&whole.0, &bytes);
                }
                // A document that stands alone can be complete although the answer was cut, a usage event ends a stream, and
                // what is no text is estimated.
                let says_its_end = [b"[DONE]".as_slice(), b"usage", b"}", b"]"];
                let says_its_end = says_its_end.iter().any(|end| memchr::memmem::find(&bytes, end).is_some());
                prop_assert!(complete || whole.1.source() != crate::usage::UsageSource::Estimated || says_its_end || bytes.iter().any(|b| matches!(b, 0..=8 | 14..=26)));
            }
        }
    }

    #[test]
    fn random_bytes_pass(bytes: Vec<u8>) {
        for form in [Form::Json, Form::Sse] {
            let (out, _) = run(meter(form, DROPPING), bytes.chunks(3), Ending::Complete);
            prop_assert_eq!(&out, &bytes);
        }
    }
}

#[test]
fn deep_nesting_is_counted_without_memory() {
    for (open, close) in [("[", "]"), ("{\"usage\":", "}"), ("{\"choices\":[", "]}")] {
        for depth in [1, 17, 10_000] {
            let body = [open.repeat(depth), "1".into(), close.repeat(depth)].concat();
            let after = format!(
                "{{\"x\":{body},\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":4}}}}"
            );
            let got = usage_of(Form::Json, after.as_bytes(), Ending::Complete);
            assert_eq!(got, exact(3, 4, 0), "{depth} of {open}");
            usage_of(Form::Json, body.as_bytes(), Ending::Complete);
            let event = format!("data: {after}\n\n");
            assert_eq!(
                usage_of(Form::Sse, event.as_bytes(), Ending::Complete),
                exact(3, 4, 0)
            );
        }
    }
}

#[test]
fn endless_input_is_read_in_bounded_memory() {
    for begun in [
        "data: {\"choices\":[{\"delta\":{\"content\":\"",
        "data: {\"",
        "data: {\"x\":\"",
        "data: {\"x\":1",
        "data",
        ": ",
        "event: ",
        "data: [",
        "data: {\"type\":\"",
        "data: {\"usage\":{\"prompt_tokens\":1",
    ] {
        let mut meter = meter(Form::Sse, DROPPING);
        let (mut out, filler) = (0, [b'1'; 4096]);
        for i in 0..=800 {
            let chunk = if i == 0 { begun.as_bytes() } else { &filler };
            match meter.push(chunk) {
                Output::Unchanged => out += chunk.len(),
                Output::Replaced(bytes) => out += bytes.len(),
            }
            assert!(meter.held_bytes() <= 16 * 1024, "{begun}");
        }
        let tail = meter.finish(Ending::Complete).tail.len();
        assert_eq!(out + tail, begun.len() + 800 * filler.len(), "{begun}");
    }
}

#[test]
fn a_line_of_three_megabytes_is_an_event_like_any_other() {
    let text = "word ".repeat(600_000);
    let stream = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":600000}}}}\n\n"
    );
    let chunks = stream.as_bytes().chunks(16_384);
    let (out, usage) = run(meter(Form::Sse, DROPPING), chunks, Ending::Complete);
    assert_eq!(usage, exact(3, 600_000, 0));
    assert!(out.ends_with(b"\"}}]}\n\n"));
    let cut = usage_of(Form::Sse, &stream.as_bytes()[..1_000_000], Ending::Cut);
    assert!(
        (150_000..210_000).contains(&cut.tokens().output()),
        "{cut:?}"
    );
}

#[test]
fn a_usage_that_is_not_the_answers_own_is_ignored() {
    let fake = r#"{"prompt_tokens":900000,"completion_tokens":900000,"input_tokens":900000,"promptTokenCount":900000}"#;
    let text = serde_json::to_string(&format!("\"}}],\"usage\":{fake}")).unwrap();
    for place in [
        format!(r#""id":{text}"#),
        format!(r#""choices":[{{"message":{{"content":{text}}}}}]"#),
        format!(r#""choices":[{{"message":{{"usage":{fake}}}}}]"#),
        format!(
            r#""choices":[{{"message":{{"tool_calls":[{{"function":{{"arguments":{{"usage":{fake}}}}}}}]}}}}]"#
        ),
        format!(
            r#""content":[{{"type":"tool_use","input":{{"usage":{fake},"usageMetadata":{fake}}}}}]"#
        ),
        format!(r#""metadata":{{"usage":{fake}}}"#),
        format!(r#""response":{{"output":[{{"usage":{fake}}}]}}"#),
        format!(r#""x":[[{{"usage":{fake}}}]]"#),
        format!(r#""Usage":{fake}"#),
        format!(r#""usage ":{fake}"#),
        format!(r#""usage\u0000":{fake}"#),
    ] {
        let doc = format!(r#"{{{place},"usage":{{"prompt_tokens":3,"completion_tokens":4}}}}"#);
        let event = format!("data: {doc}\n\n");
        let json = usage_of(Form::Json, doc.as_bytes(), Ending::Complete);
        assert_eq!(json, exact(3, 4, 0), "{doc}");
        let sse = usage_of(Form::Sse, event.as_bytes(), Ending::Complete);
        assert_eq!(sse, exact(3, 4, 0), "{event}");
    }
}
