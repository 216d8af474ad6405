use super::*;
use crate::key::ApiKey;
use crate::ledger::memory::MemoryStore;
use crate::quota::SECOND;
use crate::usage::Output;

const NOW: Now = Now {
    monotonic: 1_000 * SECOND,
    wall_millis: 1_800_000_000_000,
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
        entry(5, r#","models":["gpt-4o-mini","text-*"]"#),
        entry(6, r#","limits":{"tokens_per_minute":1000}"#),
        entry(7, r#","limits":{"max_in_flight":1}"#),
    ];
    let json = format!(r#"{{"keys":{{{}}}}}"#, keys.join(","));
    Policy::from_json(json.as_bytes()).unwrap()
}

const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;

/// `METHOD target`, then headers as `name: value`; `{n}` stands for key n. A POST has the body [`CHAT`].
fn send(store: &MemoryStore, request: &[&str]) -> (Exchange, Step) {
    send_body(store, request, CHAT)
}

fn send_body(store: &MemoryStore, request: &[&str], body: &str) -> (Exchange, Step) {
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
    let policy = policy();
    let (mut exchange, mut step) =
        Exchange::start(&Head::new(head.collect()), ends, &policy, store, NOW);
    for (i, byte) in body.bytes().enumerate() {
        if !matches!(step, Step::ReadBody) {
            break;
        }
        step = exchange.request_body(&[byte], i + 1 == body.len(), &policy, store, NOW);
    }
    (exchange, step)
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
            Step::ReadBody | Step::Resolve(_) => panic!("undecided"),
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
    assert_eq!(exchange.principal().unwrap().team().as_str(), "acme");
}

#[test]
fn a_path_that_costs_nothing_still_loses_the_clients_identity() {
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
fn what_is_logged_of_a_request_holds_no_key() {
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
    assert_eq!(exchange.decision(), "method_not_allowed");
    let (exchange, _) = send(&store, &["GET /v1/models?limit=2"]);
    assert!(exchange.redacted().is_empty());
    assert_eq!(exchange.logged_path(), "/v1/models");
}

#[test]
fn the_answer_shows_our_limits_in_place_of_the_upstreams() {
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
    let edits = exchange.response_head(&head, &policy()).head;
    assert_eq!(edits.remove.len(), 3);
    assert!(
        edits
            .set
            .contains(&("x-ratelimit-remaining-requests", "59".into()))
    );
    let (mut refused, _) = send(&store, &["GET /v1/models"]);
    assert_eq!(
        refused.response_head(&head, &policy()).head,
        HeadEdits::default()
    );
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

fn status(step: &Step) -> Option<u16> {
    match step {
        Step::Reply(reply) => Some(reply.status),
        Step::Forward(_) => None,
        Step::ReadBody | Step::Resolve(_) => panic!("undecided"),
    }
}

const POST: [&str; 2] = ["POST /v1/chat/completions", "authorization: Bearer {1}"];

#[test]
fn the_body_is_judged_before_it_goes_on() {
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
        // Refused as soon as the model is seen, whatever follows.
        ("5", r#"{"model":"gpt-4o",!"#, Some(403), "model_not_found"),
    ] {
        let authorization = format!("authorization: Bearer {{{key}}}");
        let request = ["POST /v1/chat/completions", authorization.as_str()];
        let (exchange, step) = send_body(&MemoryStore::default(), &request, body);
        assert_eq!(
            (status(&step), exchange.decision()),
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
fn what_is_refused_for_its_content_counts_as_a_request_and_what_a_limit_refuses_does_not() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {4}"];
    let (_, step) = send_body(&store, &request, "{}");
    assert_eq!(status(&step), Some(400));
    let (exchange, _) = send(&store, &request);
    assert_eq!(exchange.decision(), "rate_limit_requests");
}

/// The answer of an upstream to an exchange that went on, then its end.
fn answer(
    store: &MemoryStore,
    mut exchange: Exchange,
    head: &[(&str, &str)],
    body: &str,
    ends: bool,
) -> (String, Option<Settlement>) {
    let policy = policy();
    let head = head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let _ = exchange.response_head(&Head::new(head.collect()), &policy);
    let out = match exchange.response_body(body.as_bytes(), ends) {
        Output::Unchanged => body.to_owned(),
        Output::Replaced(bytes) => String::from_utf8(bytes).unwrap(),
    };
    let settlement = exchange.finish(&policy, store, NOW);
    assert_eq!(exchange.finish(&policy, store, NOW), None, "settled twice");
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
fn every_ending_settles_once_at_what_was_used() {
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
        assert_eq!(settlement.usage.source(), source, "{what}");
        assert_eq!(settlement.charged, charged, "{what}");
        assert!((least..=most).contains(&charged), "{what}: {charged}");
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_pays_for_its_prompt() {
    let store = MemoryStore::default();
    let (mut exchange, _) = send(&store, &POST);
    let settlement = exchange.finish(&policy(), &store, NOW).unwrap();
    assert_eq!(settlement.charged, settlement.prompt_estimate);
    assert!(settlement.charged > 0);
    assert_eq!(settlement.usage.source(), "lower_bound");
}

#[test]
fn a_request_that_was_never_complete_costs_a_request() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {4}"];
    let (mut exchange, step) = send_body(&store, &request, "");
    assert!(matches!(step, Step::ReadBody));
    assert_eq!(exchange.finish(&policy(), &store, NOW), None);
    assert_eq!(exchange.decision(), "incomplete");
    assert_eq!(send(&store, &request).0.decision(), "rate_limit_requests");
}

#[test]
fn the_usage_event_that_we_asked_for_is_taken_out_again() {
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
fn what_is_learned_makes_the_next_reservation_smaller() {
    let store = MemoryStore::default();
    let usage = r#"{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#;
    let mut reserved = Vec::new();
    for _ in 0..2 {
        let (exchange, _) = send(&store, &POST);
        let (_, settlement) = answer(&store, exchange, &JSON, usage, true);
        reserved.push(settlement.unwrap().reserved);
    }
    assert!(reserved[0] > 1_024 && reserved[1] < 50, "{reserved:?}");
}

#[test]
fn a_prompt_beyond_the_limit_is_hopeless_and_a_generous_cap_is_not() {
    let store = MemoryStore::default();
    let request = ["POST /v1/chat/completions", "authorization: Bearer {6}"];
    let long = CHAT.replace("hi", &"word ".repeat(3_000));
    let (exchange, Step::Reply(reply)) = send_body(&store, &request, &long) else {
        panic!("passed")
    };
    assert_eq!(exchange.decision(), "rate_limit_tokens");
    assert!(reply.body.contains("Request too large"), "{}", reply.body);
    assert!(reply.headers.contains(&("x-should-retry", "false".into())));
    let generous = CHAT.replace(r#""messages""#, r#""max_tokens":100000,"messages""#);
    assert!(matches!(
        send_body(&store, &request, &generous).1,
        Step::Forward(_)
    ));
    assert_eq!(tokens_left(&store, "6"), 0);
    let (exchange, _) = send_body(&store, &request, CHAT);
    assert_eq!(exchange.decision(), "rate_limit_tokens");
}

#[test]
fn a_key_has_no_more_requests_in_flight_than_it_may() {
    let store = MemoryStore::default();
    let request = ["GET /v1/models", "authorization: Bearer {7}"];
    let (mut first, _) = send(&store, &request);
    assert!(first.lease().is_some());
    assert_eq!(send(&store, &request).0.decision(), "rate_limit_in_flight");
    first.finish(&policy(), &store, NOW);
    assert_eq!(send(&store, &request).0.decision(), "allowed");
}

#[test]
fn a_restricted_key_sees_only_its_models() {
    let store = MemoryStore::default();
    let list = r#"{"object":"list","data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"},{"id":"text-embedding-3-small"},{}]}"#;
    let head = [(":status", "200")];
    let head = Head::new(
        head.iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
            .collect(),
    );
    for (key, hold) in [("1", false), ("5", true)] {
        let authorization = format!("authorization: Bearer {{{key}}}");
        let (mut exchange, _) = send(&store, &["GET /v1/models", &authorization]);
        assert_eq!(exchange.response_head(&head, &policy()).hold, hold);
        if hold {
            let listed = exchange.listed_models(list.as_bytes(), &policy()).unwrap();
            let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
            let ids: Vec<_> = listed["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| &m["id"])
                .collect();
            assert_eq!(ids, ["gpt-4o-mini", "text-embedding-3-small"]);
            assert_eq!(exchange.listed_models(b"<html>", &policy()), None);
        }
    }
}

mod with_a_service {
    use super::*;
    use crate::directory;
    use crate::ident::{KeyId, TeamId, TierName};
    use crate::quota::LimitOverrides;
    use crate::record::{KeyRecord, Status};
    use crate::sync::{Frame, FrameKind, KeyEntry, KeyState, TeamEntry};

    fn policy(when_stale: &str) -> Policy {
        let json = format!(
            r#"{{"service":{{"cluster":"auth","token":"t","max_stale_seconds":60,"when_stale":"{when_stale}","resolves_per_second":2}}}}"#
        );
        Policy::from_json(json.as_bytes()).unwrap()
    }

    fn at(seconds: u64) -> Now {
        Now {
            monotonic: seconds * SECOND,
            wall_millis: NOW.wall_millis,
        }
    }

    fn ask(store: &MemoryStore, n: u8, policy: &Policy, now: Now) -> (Exchange, Step) {
        let authorization = format!("Bearer {}", key(n).reveal());
        let lines = [
            (":method", "GET"),
            (":path", "/v1/models"),
            ("authorization", &authorization),
        ];
        let head = Head::new(
            lines
                .iter()
                .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
                .collect(),
        );
        Exchange::start(&head, true, policy, store, now)
    }

    fn resume(
        exchange: &mut Exchange,
        store: &MemoryStore,
        n: u8,
        policy: &Policy,
        now: Now,
    ) -> Step {
        let authorization = format!("Bearer {}", key(n).reveal());
        let lines = [
            (":method", "GET"),
            (":path", "/v1/models"),
            ("authorization", &authorization),
        ];
        let head = Head::new(
            lines
                .iter()
                .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
                .collect(),
        );
        exchange.resume(&head, true, policy, store, now)
    }

    fn record(n: u8, status: Status) -> KeyState {
        let record = KeyRecord {
            id: KeyId::new(&format!("key_{n}")).unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("free").unwrap(),
            status,
            models: None,
            limits: LimitOverrides::default(),
            expires_at: None,
        };
        KeyState {
            record,
            over_budget: false,
        }
    }

    fn learn(
        store: &MemoryStore,
        kind: FrameKind,
        (from, to): (u64, u64),
        keys: Vec<(u8, Option<KeyState>)>,
        now: Now,
    ) {
        let keys = keys.into_iter().map(|(n, state)| KeyEntry {
            digest: key(n).digest(),
            version: to,
            state,
        });
        let frame = Frame {
            kind,
            more: false,
            epoch: 1,
            from,
            to,
            keys: keys.collect(),
            teams: vec![],
        };
        assert!(directory::apply(store, &frame, now.monotonic).unwrap());
    }

    #[test]
    fn a_key_that_is_known_passes_until_it_is_revoked() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        learn(
            &store,
            FrameKind::Snapshot,
            (0, 1),
            vec![(1, Some(record(1, Status::Active)))],
            at(10),
        );
        assert_eq!(ask(&store, 1, &policy, at(11)).0.decision(), "allowed");
        learn(
            &store,
            FrameKind::Delta,
            (1, 2),
            vec![(1, Some(record(1, Status::Revoked)))],
            at(12),
        );
        let (exchange, step) = ask(&store, 1, &policy, at(12));
        assert_eq!(
            (exchange.decision(), status(&step)),
            ("key_revoked", Some(403))
        );
    }

    #[test]
    fn an_unknown_key_is_asked_about_once_and_then_remembered() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        learn(&store, FrameKind::Snapshot, (0, 1), vec![], at(10));
        let (mut exchange, step) = ask(&store, 1, &policy, at(11));
        assert!(matches!(step, Step::Resolve(digest) if digest == key(1).digest()));
        learn(&store, FrameKind::Resolved, (1, 1), vec![(1, None)], at(11));
        let step = resume(&mut exchange, &store, 1, &policy, at(11));
        assert_eq!(
            (exchange.decision(), status(&step)),
            ("invalid_api_key", Some(401))
        );
        assert_eq!(
            ask(&store, 1, &policy, at(12)).0.decision(),
            "invalid_api_key"
        );
        assert!(matches!(
            ask(&store, 1, &policy, at(17)).1,
            Step::Resolve(_)
        ));
    }

    #[test]
    fn a_mistyped_key_costs_no_question_once_the_directory_is_complete() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        let head = Head::new(vec![
            (b":method".as_slice(), b"GET".as_slice()),
            (b":path", b"/v1/models"),
            (b"authorization", b"Bearer gmtech_0123456789abcdef"),
        ]);
        let (_, cold) = Exchange::start(&head, true, &policy, &store, at(10));
        assert!(matches!(cold, Step::Resolve(_)));
        learn(&store, FrameKind::Snapshot, (0, 1), vec![], at(10));
        let (_, step) = Exchange::start(&head, true, &policy, &store, at(11));
        assert_eq!(status(&step), Some(401));
    }

    #[test]
    fn a_key_made_a_moment_ago_works_at_once() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        let (mut exchange, step) = ask(&store, 1, &policy, at(11));
        assert!(matches!(step, Step::Resolve(_)));
        learn(
            &store,
            FrameKind::Resolved,
            (9, 9),
            vec![(1, Some(record(1, Status::Active)))],
            at(11),
        );
        let step = resume(&mut exchange, &store, 1, &policy, at(11));
        assert_eq!((exchange.decision(), status(&step)), ("allowed", None));
    }

    #[test]
    fn a_service_that_does_not_answer_is_a_503_and_never_a_401() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        let (mut exchange, _) = ask(&store, 1, &policy, at(11));
        let step = resume(&mut exchange, &store, 1, &policy, at(11));
        assert_eq!(
            (exchange.decision(), status(&step)),
            ("not_ready", Some(503))
        );
    }

    #[test]
    fn a_flood_of_random_keys_asks_no_more_than_its_budget() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        learn(&store, FrameKind::Snapshot, (0, 1), vec![], at(10));
        let steps: Vec<_> = (1..9).map(|n| ask(&store, n, &policy, at(11)).1).collect();
        assert_eq!(
            steps
                .iter()
                .filter(|s| matches!(s, Step::Resolve(_)))
                .count(),
            2
        );
        assert!(steps.iter().skip(2).all(|s| status(s) == Some(401)));
        // Without a directory to rely on, the rest is told to try again.
        let cold = MemoryStore::default();
        let last = (1..9)
            .map(|n| ask(&cold, n, &policy, at(11)).1)
            .last()
            .unwrap();
        assert_eq!(status(&last), Some(503));
    }

    #[test]
    fn a_silent_service_is_relied_on_for_as_long_as_configured() {
        let store = MemoryStore::default();
        learn(
            &store,
            FrameKind::Snapshot,
            (0, 1),
            vec![(1, Some(record(1, Status::Active)))],
            at(10),
        );
        for (seconds, when_stale, decision, degraded) in [
            (12, "refuse", "allowed", false),
            (30, "refuse", "allowed", true),
            (71, "refuse", "not_ready", true),
            (71, "allow", "allowed", true),
        ] {
            let policy = policy(when_stale);
            let (mut exchange, _) = ask(&store, 1, &policy, at(seconds));
            assert_eq!(exchange.decision(), decision, "{seconds} {when_stale}");
            let answer = exchange.response_head(&Head::default(), &policy);
            let says = answer
                .head
                .set
                .contains(&("x-gmtech-degraded", "key-service".into()));
            assert_eq!(
                (exchange.is_degraded(), says),
                (degraded, degraded),
                "{seconds}"
            );
        }
    }

    #[test]
    fn spent_credit_is_hopeless_and_attributed() {
        let (store, policy) = (MemoryStore::default(), policy("allow"));
        let frame = Frame {
            kind: FrameKind::Snapshot,
            more: false,
            epoch: 1,
            from: 0,
            to: 1,
            keys: vec![KeyEntry {
                digest: key(1).digest(),
                version: 1,
                state: Some(record(1, Status::Active)),
            }],
            teams: vec![TeamEntry {
                team: TeamId::new("acme").unwrap(),
                version: 1,
                exhausted: true,
            }],
        };
        assert!(directory::apply(&store, &frame, at(10).monotonic).unwrap());
        let (exchange, Step::Reply(reply)) = ask(&store, 1, &policy, at(11)) else {
            panic!("passed")
        };
        assert_eq!(
            (reply.status, exchange.decision()),
            (429, "insufficient_quota")
        );
        assert!(reply.headers.contains(&("x-should-retry", "false".into())));
        let event = exchange.usage_event([1; 16], None, at(12)).unwrap();
        assert_eq!(
            (event.status, event.decision.as_str(), event.duration_ms),
            (429, "insufficient_quota", 1_000)
        );
    }
}
