//! Only the usage event is dropped, and no other byte changes.

use super::*;

fn drop_from(stream: &[u8]) -> Vec<u8> {
    run(meter(Form::Sse, DROPPING), [stream], Ending::Complete).0
}

/// The same rule with a whole-event parser: an event is dropped if its data is an object with a `usage` that is an object and
/// nothing of an answer; comments before its first field stay.
fn reference(stream: &str) -> String {
    let mut out = String::new();
    for event in stream.split_inclusive("\n\n") {
        let fields = event
            .split_inclusive('\n')
            .skip_while(|l| l.starts_with(':'));
        let fields: String = fields.collect();
        let data: Vec<&str> = fields
            .lines()
            .filter_map(|l| l.strip_prefix("data"))
            .map(|l| l.strip_prefix(':').unwrap_or(l))
            .collect();
        let json: serde_json::Value = serde_json::from_str(&data.join("\n")).unwrap_or_default();
        let choices = &json["choices"];
        let empty = choices.is_null() || choices.as_array().is_some_and(Vec::is_empty);
        if empty && json["usage"].is_object() && json["type"].is_null() && json["error"].is_null() {
            out.push_str(event.strip_suffix(&fields).unwrap());
        } else {
            out.push_str(event);
        }
    }
    out
}

#[test]
fn every_sample_loses_its_usage_event_and_nothing_else() {
    let mut dropped = 0;
    for sample in samples().into_iter().filter(|s| s.form == Form::Sse) {
        let text = std::str::from_utf8(sample.bytes).unwrap();
        let expected = reference(text);
        dropped += usize::from(expected != text);
        for end in ["\n", "\r\n", "\r"] {
            let (input, expected) = (text.replace('\n', end), expected.replace('\n', end));
            let out = drop_from(input.as_bytes());
            assert_eq!(
                String::from_utf8(out).unwrap(),
                expected,
                "{} with {end:?}",
                sample.name
            );
        }
    }
    assert_eq!(dropped, 8);
}

#[test]
fn without_the_plan_nothing_is_dropped_or_held() {
    let mut meter = meter(Form::Sse, PLAN);
    for chunk in include_bytes!("../samples/chat.sse").chunks(7) {
        assert_eq!(meter.push(chunk), Output::Unchanged);
    }
}

#[test]
fn the_rule_is_exact() {
    for (event, dropped) in [
        (r#"data: {"choices":[],"usage":{"prompt_tokens":1}}"#, true),
        (r#"data: {"usage":{"prompt_tokens":1},"choices":[]}"#, true),
        (r#"data: {"usage":{},"choices":[ ]}"#, true),
        (
            r#"data: { "choices" : [] , "usage" : { "a" : [ { } ] } , "x" : 1 }"#,
            true,
        ),
        (r#"data: {"ch\u006fices":[],"usage":{}}"#, true),
        (
            "event: x\nid: 1\ndata: {\"choices\":[],\ndata:\"usage\":{}}",
            true,
        ),
        (r#"data: {"usage":{"prompt_tokens":1}}"#, true),
        (r#"data: {"choices":null,"usage":{}}"#, true),
        (r#"data: {"usage":{},"choices":null}"#, true),
        (r#"data: {"usage":{},"error":null}"#, true),
        (
            r#"data: {"id":"x","object":"chat.completion.chunk","model":"m","usage":{},"x_groq":{"usage":{}}}"#,
            true,
        ),
        (r#"data: {"choices":[],"usage":null}"#, false),
        (r#"data: {"choices":[],"usage":5}"#, false),
        (r#"data: {"usage":"none"}"#, false),
        (r#"data: {"choices":[]}"#, false),
        // Not the chat API's: somebody asked for these.
        (r#"data: {"type":"message_delta","usage":{}}"#, false),
        (r#"data: {"usage":{},"error":{"message":"m"}}"#, false),
        (r#"data: {"usage":{},"delta":"text"}"#, false),
        (r#"data: {"usage":{},"response":{"id":"r"}}"#, false),
        (r#"data: {"usage":{},"candidates":[]}"#, false),
        (r#" data: {"usage":{}}"#, false),
        (r#"{"choices":[],"usage":{}}"#, false),
        (r#"data: {"choices":[],"usage":{}}{"choices":[{}]}"#, false),
        (r#"data: {"choices":[{}]}{"choices":[],"usage":{}}"#, false),
        (r#"data: {"choices":{},"usage":{}}"#, false),
        (r#"data: {"choices":[{}],"usage":{}}"#, false),
        (r#"data: {"choices":[null],"usage":{}}"#, false),
        (r#"data: {"choices":[[]],"usage":{}}"#, false),
        (r#"data: {"x":{"choices":[{}]},"usage":{}}"#, true),
        (r#"data: {"choices":[],"x":{"usage":{}}}"#, false),
        (r#"data: {"choices":[],"x":"\"usage\":{}"}"#, false),
        (r#"data: [{"choices":[],"usage":{}}]"#, false),
        (r#"data: "{\"choices\":[],\"usage\":{}}""#, false),
        // Not JSON, so not a usage event.
        (r#"data: {"choices":[],"usage":{}"#, false),
        (r#"data: {"choices":[],"usage":{}}}"#, false),
        (r#"data: {"choices":[},"usage":{}}"#, false),
        (r#"data: {"choices":[],"usage":{}} {}"#, false),
        ("data: {\"choices\":[]}\ndata: {\"usage\":{}}", false),
        ("data: {\"choices\":[],\"usage\":{}}\ndata: [DONE]", false),
        // Not data.
        (r#"dat: {"choices":[],"usage":{}}"#, false),
        (r#"datax: {"choices":[],"usage":{}}"#, false),
        (r#": {"choices":[],"usage":{}}"#, false),
    ] {
        for end in ["\n", "\r\n", "\r"] {
            let event = format!("{event}\n\n").replace('\n', end);
            let next = "data: {\"choices\":[{}]}\n\n".replace('\n', end);
            let expected = if dropped {
                next.clone()
            } else {
                [event.clone(), next.clone()].concat()
            };
            let input = [event, next].concat();
            let out = drop_from(input.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{input:?}");
            let bytewise = run(
                meter(Form::Sse, DROPPING),
                input.as_bytes().chunks(1),
                Ending::Complete,
            );
            assert_eq!(String::from_utf8(bytewise.0).unwrap(), expected);
        }
    }
}

#[test]
fn an_event_cut_short_by_the_end_is_passed_on() {
    let begun: &[u8] = br#"data: {"choices":[],"usage":{"prompt"#;
    let mut cut_short = meter(Form::Sse, DROPPING);
    assert_eq!(cut_short.push(begun), Output::Replaced(Vec::new()));
    assert_eq!(cut_short.finish(Ending::Complete).tail, begun);
    // A complete event without its blank line is dropped.
    let whole = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n";
    assert_eq!(drop_from(whole), b"");
}

#[test]
fn a_usage_event_over_the_hold_passes_however_it_is_split() {
    let event = |padding: usize| {
        let x = "x".repeat(padding);
        format!("data: {{\"x\":\"{x}\",\"choices\":[],\"usage\":{{}}}}\n\n")
    };
    let overhead = event(0).len();
    for (len, dropped) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        let event = event(len - overhead);
        for size in [1, 4096, len] {
            let chunks = event.as_bytes().chunks(size);
            let (out, _) = run(meter(Form::Sse, DROPPING), chunks, Ending::Complete);
            assert_eq!(out.is_empty(), dropped, "{len} by {size}");
        }
    }
}
