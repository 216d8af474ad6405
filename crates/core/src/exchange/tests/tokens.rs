//! Reserving, metering and settling.

use super::*;
use crate::usage::Output;

/// Passes an upstream's answer to a forwarded exchange, then ends it.
fn answer(
    store: &MemoryStore,
    mut exchange: Exchange,
    head: &[(&str, &str)],
    body: &str,
    ends: bool,
) -> (String, Option<Settlement>) {
    let head = head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let _ = exchange.response_head(&Head::new(head.collect()));
    let out = match exchange.response_body(body.as_bytes(), ends) {
        Output::Unchanged => body.to_owned(),
        Output::Replaced(bytes) => String::from_utf8(bytes).unwrap(),
    };
    let settlement = exchange.finish(store, NOW);
    assert_eq!(exchange.finish(store, NOW), None, "settled twice");
    (out, settlement)
}

const JSON: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/json")];
const SSE: [(&str, &str); 2] = [(":status", "200"), ("content-type", "text/event-stream")];

fn tokens_left(store: &MemoryStore, key: &str) -> u32 {
    let limits = [
        "GET /v1/limits",
        &format!("authorization: Bearer {{{key}}}"),
    ];
    let (_, Step::Reply(reply)) = send(store, &limits) else {
        panic!("no limits")
    };
    let limits: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    limits["data"][1]["remaining"]
        .as_u64()
        .unwrap()
        .try_into()
        .unwrap()
}

#[test]
fn every_ending_settles_once_at_the_actual_usage() {
    let usage = r#"{"choices":[{"message":{"content":"a b"}}],"usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50}}"#;
    let silent = r#"{"choices":[{"message":{"content":"one two three four"}}]}"#;
    let deltas = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".repeat(3);
    for (what, head, body, ends, source, least, most) in [
        ("usage", &JSON[..], usage, true, "exact", 50, 50),
        ("no usage", &JSON, silent, true, "estimated", 5, 40),
        ("cut stream", &SSE, &deltas, false, "lower_bound", 3, 1_030),
        (
            "refusal",
            &[(":status", "500")],
            "oops",
            true,
            "exact",
            0,
            0,
        ),
        (
            "upstream's own limit",
            &[(":status", "429")],
            "{}",
            true,
            "exact",
            0,
            0,
        ),
        (
            "cut refusal",
            &[(":status", "503")],
            "",
            false,
            "exact",
            0,
            0,
        ),
    ] {
        let store = MemoryStore::default();
        let (exchange, _) = send(&store, &POST);
        let held = 40_000 - tokens_left(&store, "1");
        assert!(held > 1_024, "{what}: {held}");
        let (_, settlement) = answer(&store, exchange, head, body, ends);
        let settlement = settlement.unwrap();
        let charged = 40_000 - u64::from(tokens_left(&store, "1"));
        assert_eq!(settlement.usage.source().name(), source, "{what}");
        assert_eq!(settlement.charged, charged, "{what}");
        assert!((least..=most).contains(&charged), "{what}: {charged}");
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_pays_for_its_prompt() {
    let store = MemoryStore::default();
    let (mut exchange, _) = send(&store, &POST);
    let settlement = exchange.finish(&store, NOW).unwrap();
    assert_eq!(settlement.charged, settlement.prompt_estimate);
    assert!(settlement.charged > 0);
    assert_eq!(settlement.usage.source().name(), "lower_bound");
}

#[test]
fn an_incomplete_request_costs_a_request() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {4}"];
    let (mut exchange, step) = send_body(&store, &request, "");
    assert!(matches!(step, Step::ReadBody));
    assert_eq!(exchange.finish(&store, NOW), None);
    assert_eq!(exchange.decision().name(), "incomplete");
    assert_eq!(
        send(&store, &request).0.decision().name(),
        "rate_limit_requests"
    );
}

#[test]
fn the_injected_usage_event_is_removed() {
    let streaming = r#"{"stream":true,"model":"gpt-4o","messages":[]}"#;
    let store = MemoryStore::default();
    let (exchange, Step::Forward(forward)) = send_body(&store, &POST, streaming) else {
        panic!("refused")
    };
    assert_eq!(forward.body, UsageEdit::InsertAtOpen { at: 1 });
    let delta = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
    let last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n\n";
    let stream = format!("{delta}{last}data: [DONE]\n\n");
    let (out, settlement) = answer(&store, exchange, &SSE, &stream, true);
    assert_eq!(out, format!("{delta}data: [DONE]\n\n"));
    assert_eq!(settlement.unwrap().charged, 4);
}

#[test]
fn an_answers_length_lowers_the_next_reservation() {
    let store = MemoryStore::default();
    let usage = r#"{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
    let mut reserved = Vec::new();
    for _ in 0..2 {
        let (exchange, _) = send(&store, &POST);
        let (_, settlement) = answer(&store, exchange, &JSON, usage, true);
        reserved.push(settlement.unwrap().reserved);
    }
    // The forecast moves a sixteenth of the way from 1,024 down to 20.
    assert!(reserved[0] > 1_024, "{reserved:?}");
    assert_eq!(reserved[0] - reserved[1], 63, "{reserved:?}");
}

/// The settled and the reserved tokens of a chat with this body, whose client hangs up after so many words.
fn hang_up(store: &MemoryStore, body: &str, words: usize) -> (u64, u64) {
    let (exchange, _) = send_body(store, &POST, body);
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\" word\"}}]}\n\n".repeat(words);
    let (_, settlement) = answer(store, exchange, &SSE, &stream, false);
    let settlement = settlement.unwrap();
    assert_eq!(settlement.usage.source().name(), "lower_bound");
    (settlement.charged, settlement.reserved)
}

#[test]
fn hanging_up_is_charged_what_was_streamed_beyond_any_reservation() {
    // A key without earlier answers, which reserves the default.
    let store = MemoryStore::default();
    let (charged, reserved) = hang_up(&store, CHAT, 5_900);
    assert!(
        reserved < 1_100 && charged >= 5_900,
        "{charged} of {reserved}"
    );
    assert_eq!(
        tokens_left(&store, "1"),
        40_000 - u32::try_from(charged).unwrap()
    );

    // A key with one earlier answer of one token, which was its cap.
    let store = MemoryStore::default();
    let capped = CHAT.replace(r#""messages""#, r#""max_tokens":1,"messages""#);
    let (exchange, _) = send_body(&store, &POST, &capped);
    let usage = r#"{"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;
    let (_, taught) = answer(&store, exchange, &JSON, usage, true);
    assert!(taught.unwrap().reserved < 10);
    let (charged, reserved) = hang_up(&store, CHAT, 14_697);
    assert!(
        reserved > 1_024,
        "one answer that had to be short teaches nothing: {reserved}"
    );
    assert!(charged >= 14_697, "{charged}");
    // The long answer raises the forecast.
    let (_, reserved) = hang_up(&store, CHAT, 1);
    assert!(reserved > 7_000, "{reserved}");
}

#[test]
fn a_prompt_beyond_the_limit_is_not_retryable_and_a_generous_cap_is_no_refusal() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {6}"];
    let long = CHAT.replace("hi", &"word ".repeat(3_000));
    let (exchange, Step::Reply(reply)) = send_body(&store, &request, &long) else {
        panic!("passed")
    };
    assert_eq!(exchange.decision().name(), "rate_limit_tokens");
    assert!(reply.body.contains("Request too large"), "{}", reply.body);
    assert!(reply.headers.contains(&("x-should-retry", "false".into())));
    let generous = CHAT.replace(r#""messages""#, r#""max_tokens":100000,"messages""#);
    assert!(matches!(
        send_body(&store, &request, &generous).1,
        Step::Forward(_)
    ));
    assert_eq!(tokens_left(&store, "6"), 0);
    let (exchange, _) = send_body(&store, &request, CHAT);
    assert_eq!(exchange.decision().name(), "rate_limit_tokens");
}

#[test]
fn a_keys_requests_in_flight_are_limited() {
    let store = MemoryStore::default();
    let request = ["GET /v1/models", "authorization: Bearer {7}"];
    let (mut first, _) = send(&store, &request);
    assert!(first.slots().is_some());
    assert_eq!(
        send(&store, &request).0.decision().name(),
        "rate_limit_in_flight"
    );
    first.finish(&store, NOW);
    assert_eq!(send(&store, &request).0.decision().name(), "allowed");
}
