//! A cut stream is charged at least for the passed output, in every form of output.

use super::*;

/// An event of a chat stream with this choice.
fn choice(choice: &str) -> String {
    format!(
        "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o\",\"choices\":[{choice}]}}\n\n"
    )
}

fn delta(delta: &str) -> String {
    choice(&format!("{{\"index\":0,\"delta\":{delta}}}"))
}

fn typed(event: &str) -> String {
    format!("data: {event}\n\n")
}

fn cut(stream: &str) -> u64 {
    let usage = usage_of(Form::Sse, stream.as_bytes(), Ending::Cut);
    assert_eq!(usage.source().name(), "lower_bound", "{stream}");
    assert_eq!(usage.tokens().input(), 7);
    usage.tokens().output()
}

#[test]
fn a_cut_stream_is_charged_for_the_streamed_output_beyond_any_reservation() {
    let plan = MeterPlan {
        output_estimate: 1,
        ..PLAN
    };
    let stream = delta(r#"{"content":" word"}"#).repeat(15_000);
    let (_, usage) = run(meter(Form::Sse, plan), [stream.as_bytes()], Ending::Cut);
    assert_eq!(usage, at_least(7, 15_000));
}

#[test]
fn every_form_of_output_counts_once_for_each_event_at_least() {
    for event in [
        delta(r#"{"content":" word"}"#),
        delta(r#"{"reasoning_content":" word"}"#),
        delta(r#"{"reasoning":" word"}"#),
        delta(r#"{"refusal":" word"}"#),
        delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":" word"}}]}"#),
        delta(r#"{"function_call":{"arguments":" word"}}"#),
        // Only the log probabilities of the tokens.
        choice(
            r#"{"index":0,"delta":{},"logprobs":{"content":[{"token":" word","logprob":-1,"top_logprobs":[]}]}}"#,
        ),
        choice(r#"{"index":0,"text":"","logprobs":{"tokens":[" word"],"token_logprobs":[-1]}}"#),
        // Fields with unknown names.
        delta(r#"{"musings":" word"}"#),
        delta(r#"{"role":"assistant","content":"","thoughts":{"draft":[" word"]}}"#),
        typed(r#"{"generated":" word"}"#),
        typed(r#"{"type":"text.chunk","piece":" word"}"#),
        typed(" word"),
        typed(r#"["a","b","c"]"#),
        typed(r#"{"type":"response.output_text.delta","delta":" word"}"#),
        typed(r#"{"type":"response.reasoning_summary_text.delta","delta":" word"}"#),
        typed(r#"{"type":"response.function_call_arguments.delta","delta":" word"}"#),
        typed(r#"{"type":"response.refusal.delta","delta":" word"}"#),
        typed(
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":" word"}}"#,
        ),
        typed(
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":" word"}}"#,
        ),
        typed(r#"{"type":"content_block_delta","delta":{"type":"musing_delta","musing":" word"}}"#),
        typed(r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":" word"}}}"#),
        typed(r#"{"candidates":[{"content":{"parts":[{"text":" word"}]}}]}"#),
    ] {
        let charged = cut(&event.repeat(100));
        assert!((100..=250).contains(&charged), "{charged}: {event}");
    }
}

#[test]
fn events_after_done_count() {
    let word = delta(r#"{"content":" word"}"#);
    let stream = [
        word.repeat(3).as_str(),
        "data: [DONE]\n\n",
        &word.repeat(500),
    ]
    .concat();
    for ending in [Ending::Cut, Ending::Complete] {
        let usage = usage_of(Form::Sse, stream.as_bytes(), ending);
        assert_eq!(usage.tokens().output(), 503);
    }
    let counted = typed(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#);
    let stream = [
        word.repeat(3).as_str(),
        &counted,
        "data: [DONE]\n\n",
        &word.repeat(500),
    ]
    .concat();
    let usage = usage_of(Form::Sse, stream.as_bytes(), Ending::Cut);
    assert_eq!(usage, at_least(9, 503));
}

#[test]
fn every_choice_of_an_answer_counts() {
    let choices = (0..4).map(|i| {
        choice(&format!(
            "{{\"index\":{i},\"delta\":{{\"content\":\" word\"}}}}"
        ))
    });
    assert_eq!(cut(&choices.collect::<String>().repeat(50)), 200);
    let one = r#"{"message":{"content":" one two three four five"}}"#;
    let body = format!(r#"{{"choices":[{}]}}"#, [one; 4].join(","));
    assert_eq!(
        usage_of(Form::Json, body.as_bytes(), Ending::Complete),
        estimated(7, 20)
    );
}

#[test]
fn events_without_output_count_nothing() {
    for event in [
        delta(r#"{"role":"assistant","content":""}"#),
        choice(r#"{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}"#),
        delta(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"QUJD"}]}"#),
        delta(
            r#"{"annotations":[{"url_citation":{"title":"a title","url":"https://example.com"}}]}"#,
        ),
        typed(
            r#"{"choices":[],"prompt_filter_results":[{"content_filter_results":{"hate":{"severity":"safe"}}}]}"#,
        ),
        typed(
            r#"{"type":"response.created","response":{"id":"r","instructions":"be kind","output":[]}}"#,
        ),
        typed(
            r#"{"type":"response.output_item.done","item":{"content":[{"text":"one two three"}]}}"#,
        ),
        typed(r#"{"type":"response.output_text.done","text":"one two three"}"#),
        typed(
            r#"{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[]}}"#,
        ),
        typed(r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#),
        typed(
            r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"QUJD"}}"#,
        ),
        typed(
            r#"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{"cited_text":"one two"}}}"#,
        ),
        typed(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null}}"#,
        ),
        typed(r#"{"type":"ping"}"#),
        typed(r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#),
        ": a comment\n\n".to_owned(),
    ] {
        assert_eq!(cut(&event.repeat(20)), 0, "{event}");
    }
    // An event that is cut before its kind is known.
    let begun = "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024";
    assert_eq!(cut(begun), 0);
    let begun = br#"{"id":"chatcmpl-0123456789","object":"chat.completion","model":"gpt-4o-2024-08-06","choi"#;
    assert_eq!(usage_of(Form::Json, begun, Ending::Cut), at_least(7, 0));
}

#[test]
fn output_that_is_not_text_counts_by_its_bytes() {
    let blob = "A".repeat(320_000);
    for event in [
        delta(&format!(r#"{{"audio":{{"data":"{blob}"}}}}"#)),
        delta(&format!(
            r#"{{"images":[{{"image_url":{{"url":"data:image/png;base64,{blob}"}}}}]}}"#
        )),
        typed(&format!(
            r#"{{"type":"speech.audio.delta","audio":"{blob}"}}"#
        )),
        typed(&format!(
            r#"{{"delta":"{blob}","type":"response.output_audio.delta"}}"#
        )),
        typed(&format!(
            r#"{{"type":"image_generation.partial_image","b64_json":"{blob}"}}"#
        )),
        typed(&format!(
            r#"{{"type":"response.image_generation_call.partial_image","partial_image_b64":"{blob}"}}"#
        )),
        typed(&format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{blob}"}}}}]}}}}]}}"#
        )),
        typed(&format!(r#"{{"picture":"{blob}"}}"#)),
    ] {
        let charged = cut(&event.repeat(2));
        assert!(
            (200..=202).contains(&charged),
            "{charged}: {}",
            event.get(..60).unwrap()
        );
    }
    let images =
        format!(r#"{{"created":1,"data":[{{"b64_json":"{blob}"}},{{"b64_json":"{blob}"}}]}}"#);
    assert_eq!(
        usage_of(Form::Json, images.as_bytes(), Ending::Complete),
        estimated(7, 200)
    );
}

#[test]
fn an_unreadable_answer_is_charged_the_estimate_or_its_bytes() {
    let plan = MeterPlan {
        output_estimate: 100,
        ..PLAN
    };
    for (content_type, encoding, bytes, output) in [
        ("audio/mpeg", None, 1_000, 100),
        ("audio/mpeg", None, 2_400_000, 1_000),
        ("application/json", Some("gzip"), 8_000, 1_000),
        ("text/event-stream", Some("gzip"), 32_000, 1_000),
    ] {
        let facts = ResponseFacts {
            status: 200,
            content_type: Some(content_type.as_bytes()),
            content_encoding: encoding.map(str::as_bytes),
        };
        for ending in [Ending::Complete, Ending::Cut] {
            let body = vec![0xff; bytes];
            let (_, usage) = run(ResponseMeter::new(&facts, plan), body.chunks(999), ending);
            assert_eq!(usage, estimated(7, output), "{content_type} {encoding:?}");
        }
    }
}

#[test]
fn bytes_that_the_host_did_not_deliver_are_charged_by_their_number() {
    for (lost, output) in [(8, 1_000), (80_000, 10_000)] {
        for form in [Form::Json, Form::Sse] {
            let mut meter = meter(form, PLAN);
            let _ = meter.push(b"data: {");
            meter.lose(lost);
            assert_eq!(meter.finish(Ending::Complete).usage, estimated(7, output));
        }
    }
    let facts = ResponseFacts {
        status: 500,
        ..ResponseFacts::default()
    };
    let mut refused = ResponseMeter::new(&facts, PLAN);
    refused.lose(80_000);
    assert_eq!(refused.finish(Ending::Complete).usage, exact(0, 0, 0));
}

#[test]
fn an_answer_without_generation_has_no_output_beyond_the_estimate() {
    let plan = MeterPlan {
        output_estimate: 0,
        generates: false,
        ..PLAN
    };
    let vector = format!(
        r#"{{"data":[{{"embedding":"{}","note":"word word"}}]}}"#,
        "A".repeat(8_192)
    );
    let (_, usage) = run(
        meter(Form::Json, plan),
        [vector.as_bytes()],
        Ending::Complete,
    );
    assert_eq!(usage, estimated(7, 0));
    let facts = ResponseFacts {
        status: 200,
        content_type: Some(b"application/json"),
        content_encoding: Some(b"gzip"),
    };
    let (_, usage) = run(
        ResponseMeter::new(&facts, plan),
        [[0; 9_999].as_slice()],
        Ending::Complete,
    );
    assert_eq!(usage, estimated(7, 0));
}

#[test]
fn the_first_byte_distinguishes_a_document_from_a_stream_at_every_split() {
    let document = br#"{"choices":[{"message":{"content":"a b"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let pretty = [b"\n  ", &document[..]].concat();
    let stream = [
        delta(r#"{"content":" word"}"#).repeat(3),
        "data: [DONE]\n\n".into(),
    ]
    .concat();
    let event_first = ["event: x\n", stream.as_str()].concat();
    for (form, body, expected) in [
        (Form::Sse, &document[..], exact(3, 4, 0)),
        (Form::Json, &pretty, exact(3, 4, 0)),
        (Form::Json, stream.as_bytes(), estimated(7, 3)),
        (Form::Json, event_first.as_bytes(), estimated(7, 3)),
        (
            Form::Json,
            [b": hello\n\n", stream.as_bytes()].concat().as_slice(),
            estimated(7, 3),
        ),
        (
            Form::Sse,
            [b"\r\n\n", &document[..]].concat().as_slice(),
            exact(3, 4, 0),
        ),
    ] {
        for at in 0..=body.len() {
            let (a, b) = body.split_at(at);
            let (out, usage) = run(meter(form, DROPPING), [a, b], Ending::Complete);
            assert_eq!(
                (out.as_slice(), usage),
                (body, expected),
                "{form:?} at {at}"
            );
        }
    }
}
