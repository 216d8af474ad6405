//! Answers that are cut, malformed, or not read at all.

use super::*;

const CHAT: &[u8] = include_bytes!("../samples/chat.sse");
const NO_USAGE: &[u8] = include_bytes!("../samples/no_usage.sse");

fn charged(usage: Usage) -> u64 {
    Weights::default().charge(usage.tokens())
}

#[test]
fn a_client_that_hangs_up_after_k_events_is_charged_for_k_at_least() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\".\"}}]}\n\n";
    for k in 0..100 {
        let usage = usage_of(Form::Sse, event.repeat(k).as_bytes(), Ending::Cut);
        let k = k as u64;
        assert_eq!(
            usage,
            at_least(PLAN.prompt_estimate, k.max((k * 550).div_ceil(1000)))
        );
    }
}

#[test]
fn reading_more_never_lowers_the_charge_of_a_cut_stream() {
    for sample in samples().into_iter().filter(|s| s.form == Form::Sse) {
        let failed = sample.name.contains("error") || sample.name.contains("failed");
        let mut before = 0;
        for at in 0..=sample.bytes.len() {
            let usage = usage_of(sample.form, &sample.bytes[..at], Ending::Cut);
            assert!(failed || charged(usage) > 0, "{} at {at}", sample.name);
            // The provider's own count may be lower than the estimate.
            if usage.source().name() == "exact" {
                continue;
            }
            let streamed = usage.tokens().output();
            assert!(streamed >= before, "{} at {at}", sample.name);
            before = streamed;
        }
    }
}

#[test]
fn an_answer_that_stated_its_end_is_complete_even_if_the_client_left() {
    for name in ["chat.sse", "anthropic.sse", "responses.sse", "chat.json"] {
        let sample = samples().into_iter().find(|s| s.name == name).unwrap();
        let usage = usage_of(sample.form, sample.bytes, Ending::Cut);
        assert_eq!(usage, sample.usage, "{name}");
    }
    // The usage event marks the end before [DONE] does.
    let done = CHAT.windows(6).position(|w| w == b"[DONE]").unwrap();
    let usage = usage_of(Form::Sse, &CHAT[..done], Ending::Cut);
    assert_eq!(usage.source().name(), "exact");
}

#[test]
fn a_count_on_every_chunk_of_a_cut_stream_is_a_lower_bound() {
    let stream = include_bytes!("../samples/vllm_continuous.sse");
    let third = stream.windows(6).enumerate();
    let third = third.filter(|(_, w)| w == b"data: ").nth(2).unwrap().0;
    let usage = usage_of(Form::Sse, &stream[..third], Ending::Cut);
    assert_eq!(usage, Usage::LowerBound(tokens(12, 1, 13)));
}

#[test]
fn a_cut_anthropic_stream_keeps_the_input_that_it_reported() {
    let stream = include_bytes!("../samples/anthropic.sse");
    let delta = stream
        .windows(13)
        .position(|w| w == b"message_delta")
        .unwrap();
    let usage = usage_of(Form::Sse, &stream[..delta], Ending::Cut);
    assert_eq!(
        (usage.source().name(), usage.tokens().input()),
        ("lower_bound", 1125)
    );
    assert!(usage.tokens().output() > 5);
}

#[test]
fn a_body_cut_within_its_document_is_a_lower_bound_whatever_the_transport_says() {
    let body = br#"{"choices":[{"message":{"content":"one two three four five"#;
    for ending in [Ending::Complete, Ending::Cut] {
        assert_eq!(usage_of(Form::Json, body, ending), at_least(7, 5));
    }
}

#[test]
fn a_stream_needs_no_done_to_be_whole() {
    for (stream, source) in [(CHAT, "exact"), (NO_USAGE, "estimated")] {
        let without = stream.strip_suffix(b"data: [DONE]\n\n").unwrap();
        let usage = usage_of(Form::Sse, without, Ending::Complete);
        assert_eq!(usage.source().name(), source);
    }
}

#[test]
fn partial_and_inconsistent_counts_are_used_as_far_as_they_go() {
    let said = r#"{"choices":[{"message":{"content":"one two three four five"}}],"usage":"#;
    for (usage, expected) in [
        ("null", estimated(7, 5)),
        ("{}", estimated(7, 5)),
        ("[]", estimated(7, 5)),
        ("true", estimated(7, 5)),
        ("\"12\"", estimated(7, 5)),
        (
            r#"{"prompt_tokens":"3","completion_tokens":"4"}"#,
            estimated(7, 5),
        ),
        (
            r#"{"prompt_tokens":-3,"completion_tokens":-4}"#,
            estimated(7, 5),
        ),
        (
            r#"{"prompt_tokens":1e30,"completion_tokens":1e30}"#,
            estimated(7, 5),
        ),
        (
            r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#,
            estimated(7, 5),
        ),
        (
            r#"{"prompt_tokens":[3],"completion_tokens":{"x":4}}"#,
            estimated(7, 5),
        ),
        (r#"{"x":{"prompt_tokens":3}}"#, estimated(7, 5)),
        // Half of the counts: the other half is estimated.
        (r#"{"prompt_tokens":3}"#, estimated(3, 5)),
        (r#"{"completion_tokens":9}"#, estimated(7, 9)),
        (
            r#"{"prompt_tokens":3,"completion_tokens":0}"#,
            estimated(3, 5),
        ),
        // A total below the sum, a total above, a total alone.
        (
            r#"{"prompt_tokens":3,"completion_tokens":9,"total_tokens":1}"#,
            exact(3, 9, 1),
        ),
        (r#"{"prompt_tokens":3,"total_tokens":12}"#, exact(3, 0, 12)),
        // Repeated keys: the largest.
        (
            r#"{"prompt_tokens":3,"prompt_tokens":5,"completion_tokens":9}"#,
            exact(5, 9, 0),
        ),
        (
            r#"{"prompt_tokens":5,"prompt_tokens":3,"completion_tokens":9}"#,
            exact(5, 9, 0),
        ),
        (
            r#"{"prompt_tokens":3.0,"completion_tokens":0.9e1}"#,
            exact(3, 9, 0),
        ),
        (
            r#"{"prompt\u005ftokens":3,"completion_tokens":9}"#,
            exact(3, 9, 0),
        ),
    ] {
        let body = format!("{said}{usage}}}");
        let got = usage_of(Form::Json, body.as_bytes(), Ending::Complete);
        assert_eq!(got, expected, "{usage}");
    }
}

#[test]
fn a_document_is_read_whatever_its_type_unless_it_is_encoded() {
    let body = br#"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let all = estimated(7, 1_000);
    for (status, content_type, encoding, expected) in [
        (200, Some("application/json"), None, exact(3, 4, 0)),
        (
            200,
            Some(" Application/JSON ; charset=utf-8"),
            None,
            exact(3, 4, 0),
        ),
        (200, Some("application/vnd.api+json"), None, exact(3, 4, 0)),
        (
            201,
            Some("application/json"),
            Some("identity"),
            exact(3, 4, 0),
        ),
        (200, Some("application/json"), Some(""), exact(3, 4, 0)),
        (200, None, None, exact(3, 4, 0)),
        (200, Some("audio/mpeg"), None, exact(3, 4, 0)),
        (200, Some("text/plain"), None, exact(3, 4, 0)),
        (200, Some("text/html"), None, exact(3, 4, 0)),
        (200, Some("application/octet-stream"), None, exact(3, 4, 0)),
        (200, Some("application/json"), Some("gzip"), all),
        (200, Some("text/event-stream"), Some("identity, BR"), all),
        (200, Some("text/event-stream"), None, exact(3, 4, 0)),
        (400, Some("application/json"), None, exact(0, 0, 0)),
        (500, Some("application/json"), Some("gzip"), exact(0, 0, 0)),
        (302, None, None, exact(0, 0, 0)),
    ] {
        let facts = ResponseFacts {
            status,
            content_type: content_type.map(str::as_bytes),
            content_encoding: encoding.map(str::as_bytes),
        };
        let mut meter = ResponseMeter::new(&facts, PLAN);
        assert_eq!(meter.push(body), Output::Unchanged);
        let metered = meter.finish(Ending::Complete);
        assert_eq!(metered.usage, expected, "{facts:?}");
        let unread = (expected == all).then_some(Unread::Encoding);
        assert_eq!(metered.unread, unread, "{facts:?}");
    }
}

#[test]
fn no_answer_without_a_count_is_free() {
    for form in [Form::Json, Form::Sse] {
        let free = MeterPlan::default();
        let (_, usage) = run(meter(form, free), [], Ending::Complete);
        assert_eq!(usage, estimated(1, 0));
    }
}

#[test]
fn an_unknown_shape_is_estimated_by_its_strings_whatever_was_reserved() {
    for (text, times, output) in [
        ("x", 400, 100),
        ("word ", 80, 100),
        ("word ", 80_000, 100_000),
        // A picture in base64.
        ("x", 400_000, 125),
    ] {
        let body = format!(r#"{{"generated":"{}"}}"#, text.repeat(times));
        let got = usage_of(Form::Json, body.as_bytes(), Ending::Complete);
        assert_eq!(got, estimated(7, output));
    }
}

#[test]
fn an_empty_answer_of_a_known_shape_has_no_output() {
    for body in [
        r#"{"id":"chatcmpl-123456789","choices":[{"message":{"content":null}}]}"#,
        r#"{"id":"msg_12345678901234567890","content":[]}"#,
        r#"{"candidates":[{"finishReason":"SAFETY"}],"modelVersion":"gemini-2.5"}"#,
    ] {
        let got = usage_of(Form::Json, body.as_bytes(), Ending::Complete);
        assert_eq!(got, estimated(7, 0), "{body}");
    }
}

#[test]
fn an_error_event_is_recognised_by_its_name() {
    let refused = b"event: error\ndata: overloaded\n\n";
    let usage = usage_of(Form::Sse, refused, Ending::Complete);
    assert_eq!(usage, at_least(0, 0));
}

#[test]
fn audio_deltas_count_as_events_and_not_as_text() {
    let audio = format!(
        "data: {{\"delta\":\"{}\",\"type\":\"response.output_audio.delta\"}}\n\n",
        "A".repeat(4_000)
    );
    let usage = usage_of(Form::Sse, audio.repeat(3).as_bytes(), Ending::Cut);
    assert_eq!(usage, at_least(7, 3));
    // The text before and after them still counts.
    let text = "data: {\"delta\":\"one two three \",\"type\":\"response.output_text.delta\"}\n\n";
    let mixed = [text, audio.as_str(), text, audio.as_str()].concat();
    let usage = usage_of(Form::Sse, mixed.as_bytes(), Ending::Cut);
    // Six words, and twice the audio of 1.25 tokens.
    assert_eq!(usage, at_least(7, 8));
}

#[test]
fn the_length_is_uncertain_only_if_an_event_may_be_dropped() {
    assert!(meter(Form::Sse, DROPPING).may_shorten());
    assert!(!meter(Form::Sse, PLAN).may_shorten());
    // It may be a stream all the same.
    assert!(meter(Form::Json, DROPPING).may_shorten());
    for (status, encoding) in [(500, None), (200, Some(b"gzip".as_slice()))] {
        let facts = ResponseFacts {
            status,
            content_type: Some(b"text/event-stream"),
            content_encoding: encoding,
        };
        assert!(!ResponseMeter::new(&facts, DROPPING).may_shorten());
    }
}
