//! Bounds on the bodies that Envoy holds.

use super::*;
use crate::holding::{Body, Holding};

const MIB: u64 = 1 << 20;

/// A request of key `n` after its head.
fn begin(store: &MemoryStore, n: u8) -> Exchange {
    let authorization = format!("authorization: Bearer {{{n}}}");
    let request = ["POST /v1/chat/completions", &authorization];
    let (exchange, step) = send_body(store, &request, "");
    assert!(matches!(step, Step::ReadBody));
    exchange
}

fn body(arrived: u64, announced: u64) -> Body {
    Body {
        arrived: arrived * MIB,
        announced: Some(announced * MIB),
    }
}

fn requests_left(store: &MemoryStore, n: u8) -> u64 {
    let authorization = format!("authorization: Bearer {{{n}}}");
    let (_, Step::Reply(reply)) = send(store, &["GET /v1/limits", &authorization]) else {
        panic!("no limits")
    };
    let limits: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    limits["data"][0]["remaining"].as_u64().unwrap()
}

#[test]
fn a_keys_held_bodies_are_bounded_and_a_refusal_costs_nothing() {
    let (store, mut holding) = (MemoryStore::default(), Holding::default());
    let mut ask = |stream, n, body| {
        let mut exchange = begin(&store, n);
        let refused = exchange.hold((&mut holding, stream), body, &store, NOW);
        (
            refused.map(|step| status(&step)),
            exchange.decision().name(),
        )
    };
    assert_eq!(ask(1, 1, body(0, 30)).0, None);
    assert_eq!(ask(2, 1, body(30, 30)).0, None);
    assert_eq!(requests_left(&store, 1), 58);
    let refused = (Some(Some(429)), "rate_limit_bodies");
    assert_eq!(ask(3, 1, body(0, 30)), refused);
    assert_eq!(requests_left(&store, 1), 58);
    assert_eq!(ask(4, 6, body(0, 30)).0, None);
}

#[test]
fn a_single_body_is_bounded_and_its_refusal_counts_as_a_request() {
    let (store, mut holding) = (MemoryStore::default(), Holding::default());
    for (n, body) in [(1, body(0, 33)), (6, body(33, 0))] {
        let mut exchange = begin(&store, n);
        let before = requests_left(&store, n);
        let refused = exchange.hold((&mut holding, 1), body, &store, NOW);
        assert_eq!(status(&refused.unwrap()), Some(413));
        assert_eq!(
            (exchange.decision().name(), requests_left(&store, n)),
            ("bad_request", before)
        );
    }
}

#[test]
fn all_held_bodies_together_are_bounded() {
    let (store, mut holding) = (MemoryStore::default(), Holding::default());
    // Four keys with two bodies each, within the bound of each key.
    for (stream, n) in (0..).zip([1, 1, 5, 5, 6, 6, 7, 8]) {
        let mut exchange = begin(&store, n);
        let held = exchange.hold((&mut holding, stream), body(32, 32), &store, NOW);
        assert!(held.is_none(), "{stream}");
    }
    let mut exchange = begin(&store, 4);
    let refused = exchange.hold((&mut holding, 9), body(1, 1), &store, NOW);
    assert_eq!(
        (status(&refused.unwrap()), exchange.decision().name()),
        (Some(503), "overloaded")
    );
    holding.release(0);
    let mut exchange = begin(&store, 4);
    assert!(
        exchange
            .hold((&mut holding, 9), body(1, 1), &store, NOW)
            .is_none()
    );
}

#[test]
fn a_forwarded_body_is_not_counted() {
    let (store, mut holding) = (MemoryStore::default(), Holding::default());
    let (mut exchange, step) = send(&store, &POST);
    assert!(matches!(step, Step::Forward(_)));
    let huge = body(1_000, 1_000);
    assert!(
        exchange
            .hold((&mut holding, 1), huge, &store, NOW)
            .is_none()
    );
    exchange.finish(&store, NOW);
    assert!(
        exchange
            .hold((&mut holding, 1), huge, &store, NOW)
            .is_none()
    );
}
