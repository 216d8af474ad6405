//! The charge of a request between its head and the end of its body.

use super::*;

const BUSY: [&str; 2] = ["POST /v1/chat/completions", "authorization: Bearer {7}"];

/// Key 7's remaining requests and tokens, and its taken places.
fn state(store: &MemoryStore) -> (u64, u64, u64) {
    let (_, Step::Reply(reply)) = send(store, &["GET /v1/limits", BUSY[1]]) else {
        panic!("no limits")
    };
    let limits: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    let number = |i: usize, field: &str| limits["data"][i][field].as_u64().unwrap();
    (
        number(0, "remaining"),
        number(1, "remaining"),
        number(2, "used"),
    )
}

#[test]
fn a_request_is_charged_and_in_flight_before_its_body() {
    let store = MemoryStore::default();
    let (first, step) = send_body(&store, &BUSY, "");
    assert!(matches!(step, Step::ReadBody));
    assert!(first.slots().is_some());
    assert_eq!(state(&store), (59, 40_000, 1));
    let (second, step) = send_body(&store, &BUSY, "");
    assert_eq!(
        (status(&step), second.decision().name()),
        (Some(429), "rate_limit_in_flight")
    );
    assert!(second.slots().is_none());
    assert_eq!(state(&store), (59, 40_000, 1));
}

#[test]
fn each_ending_gives_back_the_right_charges() {
    let long = CHAT.replace("hi", &"word ".repeat(60_000));
    for (what, body, decision, requests) in [
        ("no JSON", "[]", "bad_request", 59),
        ("no model", "{}", "bad_request", 59),
        ("cut", r#"{"model""#, "bad_request", 59),
        ("too many tokens", long.as_str(), "rate_limit_tokens", 60),
        ("the client left", "", "incomplete", 59),
    ] {
        let store = MemoryStore::default();
        let (mut exchange, _) = send_body(&store, &BUSY, body);
        let ended = exchange.finish(&store, NOW);
        assert_eq!(
            (ended, exchange.decision().name()),
            (None, decision),
            "{what}"
        );
        assert!(exchange.slots().is_none(), "{what}");
        assert_eq!(state(&store), (requests, 40_000, 0), "{what}");
    }
}

#[test]
fn a_forbidden_model_gives_the_place_back_at_once() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {8}"];
    let (exchange, step) = send_body(&store, &request, r#"{"model":"gpt-4o","#);
    assert_eq!(status(&step), Some(403));
    assert!(exchange.slots().is_none());
    let (_, step) = send_body(&store, &request, "");
    assert!(matches!(step, Step::ReadBody), "the place is free");
}

#[test]
fn a_forwarded_request_keeps_its_place_until_it_ends() {
    let store = MemoryStore::default();
    let (mut exchange, _) = send(&store, &BUSY);
    assert_eq!(exchange.decision().name(), "allowed");
    let (requests, tokens, used) = state(&store);
    assert_eq!((requests, used), (59, 1));
    assert!(tokens < 40_000);
    assert!(exchange.finish(&store, NOW).is_some());
    assert_eq!(state(&store).2, 0);
}

#[test]
fn one_swap_charges_a_request_without_a_body() {
    let store = MemoryStore::default();
    let (mut exchange, _) = send(&store, &["GET /v1/models", BUSY[1]]);
    assert!(exchange.slots().is_some());
    assert_eq!(store.swaps.get(), 1);
    exchange.finish(&store, NOW);
    assert_eq!(store.swaps.get(), 2);
}
