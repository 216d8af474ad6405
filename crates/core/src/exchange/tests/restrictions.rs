//! Restrictions of a key: addresses, groups of endpoints, and the limits that it shares with its predecessors.

use super::*;
use crate::holding::{Body, Holding};
use crate::ident::{KeyId, TeamId, TierName};
use crate::limiter::Account;
use crate::limits::LimitOverrides;
use crate::objects::{Kind, Object, ObjectId, registry};

/// Key 1 with these fields, and keys 2 and 3 that continue it. Key 9 is unknown.
fn policy_of(fields: &str, more: &str) -> Arc<Policy> {
    let entry = |n: u8, fields: &str| {
        let digest = key(n).digest().to_hex();
        format!(r#""{digest}":{{"id":"key_{n}","team":"acme","tier":"free"{fields}}}"#)
    };
    let keys = [
        entry(1, fields),
        entry(2, &format!(r#","lineage":"key_1"{fields}"#)),
        entry(3, &format!(r#","lineage":"key_1"{fields}"#)),
    ];
    let json = format!(r#"{{"keys":{{{}}}{more}}}"#, keys.join(","));
    Arc::new(Policy::from_json(json.as_bytes()).unwrap())
}

/// A request from an address; `None` is a client without one.
struct From<'a>(&'a Arc<Policy>, Option<&'a str>);

impl From<'_> {
    fn send(&self, store: &MemoryStore, n: u8, request: &str, body: &str) -> (Exchange, Step) {
        let (method, path) = request.split_once(' ').unwrap();
        let bearer = format!("Bearer {}", key(n).reveal());
        let head = Head::new(vec![
            (b":method".as_slice(), method.as_bytes()),
            (b":path", path.as_bytes()),
            (b"authorization", bearer.as_bytes()),
            (b"x-request-id", b"7a1c-8f30"),
        ]);
        let ends = body.is_empty();
        let (mut exchange, mut step) = Exchange::start(&head, ends, self.0, store, NOW);
        let mut asked = 0;
        while matches!(step, Step::Locate) {
            asked += 1;
            assert_eq!(asked, 1, "the address is asked for once");
            exchange.locate(self.1.map(|a| a.parse().unwrap()));
            step = exchange.resume(&head, ends, store, NOW);
        }
        if matches!(step, Step::ReadBody) {
            step = exchange.request_body(body.as_bytes(), true, store, NOW);
        }
        (exchange, step)
    }
}

fn requests_used(store: &MemoryStore, policy: &Arc<Policy>, n: u8) -> (String, u64) {
    let (_, Step::Reply(reply)) = From(policy, None).send(store, n, "GET /v1/limits", "") else {
        panic!("no limits")
    };
    let limits: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(limits["key"], format!("key_{n}"));
    let requests = &limits["data"][0];
    (
        requests["id"].as_str().unwrap().to_owned(),
        requests["used"].as_u64().unwrap(),
    )
}

#[test]
fn a_key_bound_to_addresses_passes_only_from_them_and_costs_nothing_elsewhere() {
    let bound = r#","addresses":["203.0.113.0/24","2001:db8::1"]"#;
    let policy = policy_of(bound, "");
    let open = policy_of("", "");
    for (address, passes) in [
        (Some("203.0.113.7"), true),
        (Some("::ffff:203.0.113.7"), true),
        (Some("2001:db8::1"), true),
        (Some("203.0.114.7"), false),
        (Some("2001:db8::2"), false),
        (None, false),
    ] {
        for request in ["GET /v1/models", "GET /v1/limits"] {
            let store = MemoryStore::default();
            let (exchange, step) = From(&policy, address).send(&store, 1, request, "");
            let refused = exchange.decision().name() == "ip_not_authorized";
            assert_eq!(refused, !passes, "{request} from {address:?}");
            if refused {
                assert_eq!(status(&step), Some(401));
                assert_eq!(exchange.attributed().unwrap().id.as_str(), "key_1");
                assert_eq!(requests_used(&store, &open, 1).1, 0, "nothing is charged");
            }
        }
    }
}

#[test]
fn the_address_is_checked_before_credit_and_body_and_read_only_for_bound_keys() {
    let store = MemoryStore::default();
    let policy = policy_of(r#","addresses":["10.0.0.0/8"]"#, "");
    let (exchange, step) =
        From(&policy, Some("11.0.0.1")).send(&store, 1, "POST /v1/chat/completions", CHAT);
    assert_eq!(
        (status(&step), exchange.decision().name()),
        (Some(401), "ip_not_authorized")
    );
    let unknown = From(&policy, Some("10.0.0.1")).send(&store, 9, "GET /v1/models", "");
    assert_eq!(unknown.0.decision().name(), "invalid_api_key");
    // `send` of the other tests has no address, which shows that it is not read.
    let (exchange, _) = send(&store, &["GET /v1/models", "authorization: Bearer {1}"]);
    assert_eq!(exchange.decision().name(), "allowed");
}

#[test]
fn a_key_may_call_its_groups_if_they_are_open() {
    let more = r#","endpoints":{"files":"allow","background":"allow"}"#;
    let policy = policy_of(r#","endpoints":["responses","files"]"#, more);
    let background = r#"{"model":"gpt-4o","input":"hi","background":true}"#;
    for (request, body, answered, decision) in [
        (
            "POST /v1/responses",
            r#"{"model":"gpt-4o","input":"hi"}"#,
            None,
            "allowed",
        ),
        (
            "POST /v1/responses",
            background,
            Some(403),
            "endpoint_not_allowed",
        ),
        (
            "POST /v1/chat/completions",
            CHAT,
            Some(403),
            "endpoint_not_allowed",
        ),
        (
            "POST /v1/embeddings",
            r#"{"model":"e","input":"x"}"#,
            Some(403),
            "endpoint_not_allowed",
        ),
        // Every key may read its models and its limits.
        ("GET /v1/models", "", None, "allowed"),
        ("GET /v1/models/gpt-4o", "", None, "allowed"),
        ("GET /v1/limits", "", Some(200), "limits"),
        // An endpoint that is closed in the gate is closed for every key.
        ("DELETE /v1/models/ft:x", "", Some(404), "unknown_url"),
        ("GET /v1/vector_stores/vs_1", "", Some(404), "unknown_url"),
        ("GET /v1/files/file-1", "", Some(404), "object_not_found"),
    ] {
        let store = MemoryStore::default();
        let (exchange, step) = From(&policy, None).send(&store, 1, request, body);
        assert_eq!(
            (status(&step), exchange.decision().name()),
            (answered, decision),
            "{request} {body}"
        );
    }
    let store = MemoryStore::default();
    let _ = From(&policy, None).send(&store, 1, "POST /v1/chat/completions", CHAT);
    let _ = From(&policy, None).send(&store, 1, "POST /v1/responses", background);
    assert_eq!(
        requests_used(&store, &policy, 1).1,
        2,
        "they count as requests"
    );
}

#[test]
fn a_batchs_file_may_name_only_endpoints_of_the_key() {
    let more = r#","endpoints":{"files":"allow"}"#;
    for (groups, passes) in [
        (r#"["files","chat_completions"]"#, true),
        (r#"["files"]"#, false),
    ] {
        let policy = policy_of(&format!(r#","endpoints":{groups}"#), more);
        let line = r#"{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}"#;
        let part = |head: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{value}\r\n")
        };
        let body = [
            part(r#"name="purpose""#, "batch"),
            part(r#"name="file"; filename="f.jsonl""#, &format!("{line}\n")),
            "--b--\r\n".to_owned(),
        ]
        .concat();
        let bearer = format!("Bearer {}", key(1).reveal());
        let head = Head::new(vec![
            (b":method".as_slice(), b"POST".as_slice()),
            (b":path", b"/v1/files"),
            (b"authorization", bearer.as_bytes()),
            (b"content-type", b"multipart/form-data; boundary=b"),
        ]);
        let store = MemoryStore::default();
        let (mut exchange, step) = Exchange::start(&head, false, &policy, &store, NOW);
        assert!(matches!(step, Step::ReadBody), "{step:?}");
        let step = exchange.request_body(body.as_bytes(), true, &store, NOW);
        let refused = (Some(403), "endpoint_not_allowed");
        let passed = (None, "allowed");
        assert_eq!(
            (status(&step), exchange.decision().name()),
            if passes { passed } else { refused },
            "{step:?}"
        );
    }
}

#[test]
fn keys_of_one_chain_share_every_limit() {
    let store = MemoryStore::default();
    let two = r#","limits":{"requests_per_minute":2}"#;
    let policy = policy_of(two, "");
    for (n, decision) in [
        (1, "allowed"),
        (2, "allowed"),
        (3, "rate_limit_requests"),
        (1, "rate_limit_requests"),
    ] {
        let (exchange, _) = From(&policy, None).send(&store, n, "GET /v1/models", "");
        assert_eq!(exchange.decision().name(), decision, "key {n}");
    }
    for n in 1..=3 {
        assert_eq!(requests_used(&store, &policy, n), ("key_1".to_owned(), 2));
    }

    let (store, policy) = (
        MemoryStore::default(),
        policy_of(r#","limits":{"max_in_flight":1}"#, ""),
    );
    let (mut first, step) = From(&policy, None).send(&store, 1, "POST /v1/chat/completions", CHAT);
    assert!(matches!(step, Step::Forward(_)));
    let (second, _) = From(&policy, None).send(&store, 2, "POST /v1/chat/completions", CHAT);
    assert_eq!(second.decision().name(), "rate_limit_in_flight");
    first.finish(&store, NOW);
    let (second, _) = From(&policy, None).send(&store, 2, "POST /v1/chat/completions", CHAT);
    assert_eq!(second.decision().name(), "allowed");
}

#[test]
fn keys_of_one_chain_share_the_bound_on_held_bodies() {
    let (store, policy, mut holding) = (
        MemoryStore::default(),
        policy_of("", ""),
        Holding::default(),
    );
    let body = Body {
        arrived: 0,
        announced: Some(30 << 20),
    };
    let mut ask = |stream, n| {
        let bearer = format!("Bearer {}", key(n).reveal());
        let head = Head::new(vec![
            (b":method".as_slice(), b"POST".as_slice()),
            (b":path", b"/v1/chat/completions"),
            (b"authorization", bearer.as_bytes()),
        ]);
        let (mut exchange, _) = Exchange::start(&head, false, &policy, &store, NOW);
        let _ = exchange.hold((&mut holding, stream), body, &store, NOW);
        exchange.decision().name()
    };
    assert_ne!(ask(1, 1), "rate_limit_bodies");
    assert_ne!(ask(2, 2), "rate_limit_bodies");
    assert_eq!(ask(3, 3), "rate_limit_bodies");
}

#[test]
fn later_usage_of_an_object_is_charged_to_the_chain_of_its_maker() {
    let more = r#","endpoints":{"stored_responses":"allow"}"#;
    let (store, policy) = (MemoryStore::default(), policy_of("", more));
    let made = Object {
        key: KeyId::new("key_2").unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        limits: LimitOverrides::default(),
        model: None,
        kind: Kind::Response,
        of: None,
        work: None,
        charged: 0,
        settled: false,
        lineage: KeyId::new("key_1").ok(),
    };
    registry::note(&store, &ObjectId::of(b"resp_1"), &made).unwrap();
    let (mut exchange, step) = From(&policy, None).send(&store, 3, "GET /v1/responses/resp_1", "");
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
    let head = vec![
        (b":status".as_slice(), b"200".as_slice()),
        (b"content-type", b"application/json"),
    ];
    let _ = exchange.response_head(&Head::new(head));
    let answer = r#"{"id":"resp_1","status":"completed","output":[{"content":[{"text":"a"}]}],"usage":{"input_tokens":9,"output_tokens":7000,"total_tokens":7009}}"#;
    let _ = exchange.response_body(answer.as_bytes(), true);
    exchange.note_objects(&store);
    exchange.finish(&store, NOW);
    let chain = Account::of(
        &KeyId::new("key_1").unwrap(),
        policy
            .tier(&TierName::new("free").unwrap())
            .unwrap()
            .limits(&LimitOverrides::default()),
    );
    let (_, snapshot) = limiter::standings(&store, &chain, NOW.monotonic).unwrap();
    assert_eq!(snapshot.tokens.unwrap().used, 7_009);
}

#[test]
fn an_event_has_the_request_id_and_the_endpoint_group() {
    let bound = policy_of(
        r#","addresses":["10.0.0.0/8"],"endpoints":["responses"]"#,
        "",
    );
    for (address, request, body, group) in [
        ("10.0.0.1", "GET /v1/models", "", "models"),
        (
            "10.0.0.1",
            "POST /v1/chat/completions",
            CHAT,
            "chat_completions",
        ),
        ("10.0.0.1", "GET /v1/files/x", "", "files"),
        // The event of a refusal before the endpoint check has the group too.
        ("11.0.0.1", "POST /v1/embeddings", "{}", "embeddings"),
    ] {
        let store = MemoryStore::default();
        let (exchange, _) = From(&bound, Some(address)).send(&store, 1, request, body);
        let event = exchange.usage_event([1; 16], None, NOW).unwrap();
        assert_eq!(event.request_id.as_str(), "7a1c-8f30");
        assert_eq!(
            event.endpoint_group.as_str(),
            group,
            "{request} from {address}"
        );
    }
}
