use super::*;
use crate::key::ApiKey;
use crate::shared::memory::MemoryStore;
use crate::time::SECOND;

mod admission;
mod dialects;
mod held;
mod models;
mod objects;
mod restrictions;
mod service;
mod tokens;

const NOW: Now = Now {
    monotonic: 1_000 * SECOND,
    wall_millis: 1_800_000_000_000,
};

fn key(n: u8) -> ApiKey {
    ApiKey::generate(&[n; 32])
}

fn policy() -> Arc<Policy> {
    policy_with("")
}

/// A policy with the keys, and more members of the configuration.
fn policy_with(more: &str) -> Arc<Policy> {
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
        entry(5, r#","models":["gpt-4o-mini","text-*"]"#),
        entry(6, r#","limits":{"tokens_per_minute":1000}"#),
        entry(7, r#","limits":{"max_in_flight":1}"#),
        entry(
            8,
            r#","models":["gpt-4o-mini"],"limits":{"max_in_flight":1}"#,
        ),
    ];
    let json = format!(r#"{{"keys":{{{}}}{more}}}"#, keys.join(","));
    Arc::new(Policy::from_json(json.as_bytes()).unwrap())
}

const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;

/// `METHOD target`, then headers as `name: value`; `{n}` stands for key n. A POST has the body [`CHAT`].
fn send(store: &MemoryStore, request: &[&str]) -> (Exchange, Step) {
    send_body(store, request, CHAT)
}

fn send_body(store: &MemoryStore, request: &[&str], body: &str) -> (Exchange, Step) {
    send_under(&policy(), store, request, body)
}

fn send_under(
    policy: &Arc<Policy>,
    store: &MemoryStore,
    request: &[&str],
    body: &str,
) -> (Exchange, Step) {
    let (method, target) = request[0].split_once(' ').unwrap();
    let mut lines = vec![
        (":method".to_owned(), fill(method)),
        (":path".into(), fill(target)),
    ];
    for line in &request[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        lines.push((name.into(), fill(value)));
    }
    let head = lines.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let ends = method != "POST";
    let (mut exchange, mut step) =
        Exchange::start(&Head::new(head.collect()), ends, policy, store, NOW);
    for (i, byte) in body.bytes().enumerate() {
        if !matches!(step, Step::ReadBody) {
            break;
        }
        step = exchange.request_body(&[byte], i + 1 == body.len(), store, NOW);
    }
    (exchange, step)
}

fn fill(text: &str) -> String {
    (1..=9).fold(text.to_owned(), |t, n| {
        t.replace(&format!("{{{n}}}"), key(n).reveal())
    })
}

#[test]
fn each_request_gets_its_decision() {
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
        (
            &["DELETE /v1/files/x", "authorization: Bearer {1}"],
            Some(404),
            "unknown_url",
        ),
        (
            &["DELETE /v1/models/ft:x", "authorization: Bearer {5}"],
            Some(404),
            "unknown_url",
        ),
        (&["DELETE /v1/files/x"], Some(401), "invalid_api_key"),
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
            Step::ReadBody
            | Step::Locate
            | Step::Resolve(_)
            | Step::ResolveObjects(_)
            | Step::AskOwn(_) => {
                panic!("undecided")
            }
            Step::Reply(reply) => Some(reply.status),
        };
        assert_eq!(
            (answered, exchange.decision().name()),
            (status, decision),
            "{request:?}"
        );
    }
}

#[test]
fn a_forwarded_request_carries_our_identity_headers_and_none_of_the_clients() {
    let store = MemoryStore::default();
    let request = [
        "POST /v1/chat/completions",
        "authorization: Bearer {1}",
        "x_gmtech_team_id: evil",
        "openai-organization: org-1",
    ];
    let (exchange, Step::Forward(Forward { head: edits, .. })) = send(&store, &request) else {
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
            "x-gmtech-tier: free",
            "accept-encoding: identity",
            "x-gmtech-model: gpt-4o"
        ]
    );
    assert_eq!(exchange.attributed().unwrap().team.as_str(), "acme");
}

#[test]
fn a_free_path_still_loses_the_clients_identity_headers() {
    let store = MemoryStore::default();
    let (_, Step::Forward(Forward { head: edits, .. })) = send(
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
fn a_refused_key_is_still_attributed() {
    let store = MemoryStore::default();
    for (key, id) in [("2", Some("key_2")), ("3", Some("key_3")), ("9", None)] {
        let authorization = format!("authorization: Bearer {{{key}}}");
        let (exchange, _) = send(&store, &["GET /v1/models", &authorization]);
        let attributed = exchange.attributed().map(|record| record.id.as_str());
        assert_eq!(attributed, id);
        assert_eq!(
            exchange.usage_event([0; 16], None, NOW).is_some(),
            id.is_some()
        );
    }
}

#[test]
fn the_end_returns_settlement_and_events_once() {
    let service = r#","service":{"cluster":"auth","token":"t"}"#;
    for (more, key, settled, decision) in [
        (service, "1", true, Some("allowed")),
        (service, "2", false, Some("key_revoked")),
        (service, "nobody's", false, None),
        ("", "1", true, None),
        ("", "2", false, None),
    ] {
        let store = MemoryStore::default();
        let authorization = format!("authorization: Bearer {{{key}}}");
        let request = ["POST /v1/chat/completions", &authorization];
        let (mut exchange, _) = send_under(&policy_with(more), &store, &request, CHAT);
        let ended = exchange.end([7; 16], &store, NOW);
        let told: Vec<_> = ended
            .events
            .iter()
            .map(|e| (e.id, e.decision.as_str()))
            .collect();
        let expected: Vec<_> = decision.iter().map(|d| ([7; 16], *d)).collect();
        assert_eq!(
            (ended.settlement.is_some(), told),
            (settled, expected),
            "{more} {key}"
        );
        let again = exchange.end([7; 16], &store, NOW);
        assert!(again.settlement.is_none() && again.events.is_empty());
    }
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
        assert_eq!(exchange.decision().name(), "rate_limit_requests");
        assert!(reply.body.contains("key_4 in team acme on requests per min (RPM): Limit 1, Used 1, Requested 1. Please try again in 1m0s."), "{}", reply.body);
        assert_eq!(exchange.attributed().unwrap().id.as_str(), "key_4");
    }
}

#[test]
fn the_log_of_a_request_holds_no_key() {
    let store = MemoryStore::default();
    let (exchange, _) = send(&store, &["GET /v2/{1}/x?k={2}"]);
    let target = "/v2/gmtech_REDACTED/x?k=gmtech_REDACTED".to_owned();
    assert_eq!(exchange.redacted(), [(":path", target)]);
    assert_eq!(exchange.logged_path(), "/v2/gmtech_REDACTED/x");
    let (exchange, _) = send(&store, &["{1} /v1/models"]);
    assert_eq!(
        exchange.redacted(),
        [(":method", "gmtech_REDACTED".to_owned())]
    );
    assert_eq!(exchange.decision().name(), "method_not_allowed");
    let (exchange, _) = send(&store, &["GET /v1/models?limit=2"]);
    assert!(exchange.redacted().is_empty());
    assert_eq!(exchange.logged_path(), "/v1/models");
}

#[test]
fn the_answer_has_our_limit_headers_in_place_of_the_upstreams() {
    let store = MemoryStore::default();
    let (mut exchange, _) = send(&store, &["GET /v1/models", "authorization: Bearer {1}"]);
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
    let edits = exchange.response_head(&head).head;
    assert_eq!(edits.remove.len(), 3);
    assert!(
        edits
            .set
            .contains(&("x-ratelimit-remaining-requests", "59".into()))
    );
    let (mut refused, _) = send(&store, &["GET /v1/models"]);
    assert_eq!(refused.response_head(&head).head, HeadEdits::default());
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
    assert_eq!(
        (reply.status, exchange.decision().name()),
        (503, "unavailable")
    );
    assert!(reply.headers.contains(&("retry-after", "1".into())));
}

fn status(step: &Step) -> Option<u16> {
    match step {
        Step::Reply(reply) => Some(reply.status),
        Step::Forward(_) => None,
        Step::ReadBody
        | Step::Locate
        | Step::Resolve(_)
        | Step::ResolveObjects(_)
        | Step::AskOwn(_) => {
            panic!("undecided")
        }
    }
}

const POST: [&str; 2] = ["POST /v1/chat/completions", "authorization: Bearer {1}"];

#[test]
fn the_body_is_checked_before_it_is_forwarded() {
    for (key, body, answered, decision) in [
        ("1", CHAT, None, "allowed"),
        ("1", r#"{"messages":[]}"#, Some(400), "bad_request"),
        (
            "1",
            r#"{"model":"a","model":"b"}"#,
            Some(400),
            "bad_request",
        ),
        ("1", "{", Some(400), "bad_request"),
        (
            "1",
            r#"{"model":"gmtech_abcdefgh1234"}"#,
            Some(400),
            "bad_request",
        ),
        ("5", CHAT, Some(403), "model_not_found"),
        (
            "5",
            r#"{"model":"gpt-4o-mini","messages":[]}"#,
            None,
            "allowed",
        ),
        (
            "5",
            r#"{"model":"gpt-4o-mini","models":["gpt-4o"]}"#,
            Some(400),
            "bad_request",
        ),
        (
            "5",
            r#"{"model":"gpt-4o-mini","Fallbacks":[]}"#,
            Some(400),
            "bad_request",
        ),
        (
            "1",
            r#"{"model":"gpt-4o-mini","models":["gpt-4o"]}"#,
            None,
            "allowed",
        ),
        // Refused as soon as the model is read, whatever follows.
        ("5", r#"{"model":"gpt-4o",!"#, Some(403), "model_not_found"),
    ] {
        let authorization = format!("authorization: Bearer {{{key}}}");
        let request = ["POST /v1/chat/completions", authorization.as_str()];
        let (exchange, step) = send_body(&MemoryStore::default(), &request, body);
        assert_eq!(
            (status(&step), exchange.decision().name()),
            (answered, decision),
            "{body}"
        );
    }
}

#[test]
fn a_path_can_name_a_forbidden_model_too() {
    let store = MemoryStore::default();
    for (target, allowed) in [
        ("GET /v1/models/gpt-4o", false),
        ("GET /v1/models/gpt-4o-mini", true),
        (
            "POST /v1beta/models/gemini-2.5-flash:generateContent",
            false,
        ),
    ] {
        let target = target.replace("/v1beta", "/v1/v1beta");
        let (exchange, step) = send(&store, &[&target, "authorization: Bearer {5}"]);
        assert_eq!(status(&step).is_none(), allowed, "{target}");
        assert!(exchange.model().is_some(), "{target}");
    }
}

#[test]
fn a_refusal_by_content_counts_as_a_request_and_a_refusal_by_limit_does_not() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {4}"];
    let (_, step) = send_body(&store, &request, "{}");
    assert_eq!(status(&step), Some(400));
    let (exchange, _) = send(&store, &request);
    assert_eq!(exchange.decision().name(), "rate_limit_requests");
}
