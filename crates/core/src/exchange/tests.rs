use super::*;
use crate::key::ApiKey;
use crate::ledger::memory::MemoryStore;
use crate::quota::SECOND;

const NOW: Now = Now {
    monotonic: 1_000 * SECOND,
    wall_seconds: 1_800_000_000,
};

fn key(n: u8) -> ApiKey {
    ApiKey::generate(&[n; 32])
}

fn policy() -> Policy {
    let entry = |n: u8, fields: &str| {
        format!(
            r#""{}":{{"id":"key_{n}","team":"acme","tier":"free"{fields}}}"#,
            key(n).digest().to_hex()
        )
    };
    let keys = [
        entry(1, ""),
        entry(2, r#","status":"revoked""#),
        entry(3, r#","expires_at":"2020-01-01T00:00:00Z""#),
        entry(4, r#","limits":{"requests_per_minute":1}"#),
    ];
    let json = format!(r#"{{"keys":{{{}}}}}"#, keys.join(","));
    Policy::from_json(json.as_bytes()).unwrap()
}

/// `METHOD target`, then headers as `name: value`; `{n}` stands for key n.
fn send(store: &MemoryStore, request: &[&str]) -> (Exchange, Step) {
    let (method, target) = request[0].split_once(' ').unwrap();
    let mut lines = vec![
        (":method".to_owned(), method.to_owned()),
        (":path".into(), fill(target)),
    ];
    for line in &request[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        lines.push((name.into(), fill(value)));
    }
    let head = Head::new(
        lines
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
            .collect(),
    );
    Exchange::start(&head, &policy(), store, NOW)
}

fn fill(text: &str) -> String {
    (1..=9).fold(text.to_owned(), |t, n| {
        t.replace(&format!("{{{n}}}"), key(n).reveal())
    })
}

#[test]
fn each_request_meets_its_decision() {
    for (request, status, decision) in [
        (
            &["GET /v1/models", "authorization: Bearer {1}"][..],
            None,
            "allowed",
        ),
        (
            &["POST /api/v1/chat/completions", "authorization: Bearer {1}"],
            None,
            "allowed",
        ),
        (&["GET /healthz"], None, "free"),
        (
            &["GET /healthz", "authorization: Bearer nonsense"],
            None,
            "free",
        ),
        (&["OPTIONS /v1/chat/completions"], Some(204), "preflight"),
        (&["OPTIONS /v1/models?key={1}"], Some(204), "preflight"),
        (&["GET /"], Some(404), "unknown_url"),
        (
            &["GET /v2/models", "authorization: Bearer {1}"],
            Some(404),
            "unknown_url",
        ),
        (&["GET /v1/models"], Some(401), "invalid_api_key"),
        (
            &["GET /v1/models", "authorization: Bearer {9}"],
            Some(401),
            "invalid_api_key",
        ),
        (
            &["GET /v1/models", "authorization: Bearer {2}"],
            Some(403),
            "key_revoked",
        ),
        (
            &["GET /v1/models", "authorization: Bearer {3}"],
            Some(401),
            "invalid_api_key",
        ),
        (
            &["GET /v1/models?key={1}", "authorization: Bearer {1}"],
            Some(401),
            "invalid_api_key",
        ),
        (&["GET /healthz?key={1}"], Some(401), "invalid_api_key"),
        (
            &["TRACE /v1/models", "authorization: Bearer {1}"],
            Some(405),
            "method_not_allowed",
        ),
        (
            &[
                "CONNECT /v1/realtime",
                ":protocol: websocket",
                "authorization: Bearer {1}",
            ],
            Some(405),
            "method_not_allowed",
        ),
        (
            &[
                "GET /v1/realtime",
                "upgrade: websocket",
                "authorization: Bearer {1}",
            ],
            Some(400),
            "upgrade_refused",
        ),
        (
            &[
                "GET /v1/models",
                "upgrade: h2c",
                "authorization: Bearer {1}",
            ],
            None,
            "allowed",
        ),
    ] {
        let (exchange, step) = send(&MemoryStore::default(), request);
        let answered = match step {
            Step::Forward(_) => None,
            Step::Reply(reply) => Some(reply.status),
        };
        assert_eq!(
            (answered, exchange.decision()),
            (status, decision),
            "{request:?}"
        );
    }
}

#[test]
fn what_goes_on_carries_our_identity_and_none_of_the_clients() {
    let store = MemoryStore::default();
    let request = [
        "POST /v1/chat/completions",
        "authorization: Bearer {1}",
        "x_gmtech_team_id: evil",
        "openai-organization: org-1",
    ];
    let (exchange, Step::Forward(edits)) = send(&store, &request) else {
        panic!("refused")
    };
    let removed: Vec<_> = edits
        .remove
        .iter()
        .map(|n| String::from_utf8_lossy(n))
        .collect();
    assert_eq!(
        removed,
        ["authorization", "x_gmtech_team_id", "openai-organization"]
    );
    let set: Vec<_> = edits.set.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    assert_eq!(
        set,
        [
            "x-gmtech-team-id: acme",
            "x-gmtech-key-id: key_1",
            "x-gmtech-tier: free"
        ]
    );
    assert_eq!(exchange.principal().unwrap().team().as_str(), "acme");
}

#[test]
fn a_path_that_costs_nothing_still_loses_the_clients_identity() {
    let store = MemoryStore::default();
    let (_, Step::Forward(edits)) = send(
        &store,
        &[
            "GET /healthz",
            "authorization: Bearer {1}",
            "x-gmtech-tier: x",
        ],
    ) else {
        panic!("refused")
    };
    assert_eq!(edits.remove.len(), 2);
    assert!(edits.set.is_empty());
}

#[test]
fn a_refusal_by_limit_spends_nothing_and_names_the_key() {
    let store = MemoryStore::default();
    let request = ["GET /v1/models", "authorization: Bearer {4}"];
    assert!(matches!(send(&store, &request).1, Step::Forward(_)));
    for _ in 0..3 {
        let (exchange, Step::Reply(reply)) = send(&store, &request) else {
            panic!("passed")
        };
        assert_eq!(exchange.decision(), "rate_limit_requests");
        assert!(reply.body.contains("key_4 in team acme on requests per min (RPM): Limit 1, Used 1, Requested 1. Please try again in 1m0s."), "{}", reply.body);
        assert_eq!(exchange.principal().unwrap().key().as_str(), "key_4");
    }
}

#[test]
fn a_refused_request_shows_a_target_without_keys() {
    let store = MemoryStore::default();
    let (exchange, _) = send(&store, &["GET /v2/{1}/x?k={2}"]);
    assert_eq!(
        exchange.logged_target(),
        Some("/v2/gmtech_REDACTED/x?k=gmtech_REDACTED")
    );
    assert_eq!(send(&store, &["GET /v2"]).0.logged_target(), None);
}

#[test]
fn the_answer_shows_our_limits_in_place_of_the_upstreams() {
    let store = MemoryStore::default();
    let (exchange, _) = send(&store, &["GET /v1/models", "authorization: Bearer {1}"]);
    let upstream = [
        "x-ratelimit-limit-requests",
        "x-ratelimit-reset-tokens_usage_based",
        "openai-organization",
        "date",
    ];
    let head = Head::new(
        upstream
            .iter()
            .map(|n| (n.as_bytes(), b"1".as_slice()))
            .collect(),
    );
    let edits = exchange.respond(&head);
    assert_eq!(edits.remove.len(), 3);
    assert!(
        edits
            .set
            .contains(&("x-ratelimit-remaining-requests", "59".into()))
    );
    let (refused, _) = send(&store, &["GET /v1/models"]);
    assert_eq!(refused.respond(&head), HeadEdits::default());
}

#[test]
fn a_broken_store_refuses_with_a_retryable_answer() {
    let store = MemoryStore::default();
    store.broken.set(true);
    let (exchange, Step::Reply(reply)) =
        send(&store, &["GET /v1/models", "authorization: Bearer {1}"])
    else {
        panic!("passed")
    };
    assert_eq!((reply.status, exchange.decision()), (503, "unavailable"));
    assert!(reply.headers.contains(&("retry-after", "1".into())));
}
