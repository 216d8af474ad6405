//! Keys that come from the key service.

use super::*;
use crate::directory;
use crate::holding::{Body, Holding};
use crate::ident::{TeamId, TierName};
use crate::model::{ModelPattern, ModelSet};
use crate::record::{KeyRecord, Status};
use crate::request::EndpointSet;
use crate::sync::{Frame, FrameKind, KeyEntry, KeyState, Record, TeamEntry, TierEntry};
use crate::tier::Tier;

fn policy(when_stale: &str) -> Arc<Policy> {
    let json = format!(
        r#"{{"service":{{"cluster":"auth","token":"t","max_stale_seconds":60,"when_stale":"{when_stale}","resolves_per_second":2}}}}"#
    );
    Arc::new(Policy::from_json(json.as_bytes()).unwrap())
}

fn at(seconds: u64) -> Now {
    Now {
        monotonic: seconds * SECOND,
        wall_millis: NOW.wall_millis,
    }
}

/// `GET /v1/models` with key n.
fn with_head<T>(n: u8, then: impl FnOnce(&Head<'_>) -> T) -> T {
    let authorization = format!("Bearer {}", key(n).reveal());
    then(&Head::new(vec![
        (b":method".as_slice(), b"GET".as_slice()),
        (b":path", b"/v1/models"),
        (b"authorization", authorization.as_bytes()),
    ]))
}

fn ask(store: &MemoryStore, n: u8, policy: &Arc<Policy>, now: Now) -> (Exchange, Step) {
    with_head(n, |head| Exchange::start(head, true, policy, store, now))
}

fn resume(exchange: &mut Exchange, store: &MemoryStore, n: u8, now: Now) -> Step {
    with_head(n, |head| exchange.resume(head, true, store, now))
}

fn record(n: u8, status: Status) -> KeyState {
    KeyState {
        record: KeyRecord::plain(n.into(), status).into(),
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
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    };
    assert!(directory::apply(store, &frame, now.monotonic).unwrap());
}

#[test]
fn a_known_key_passes_until_it_is_revoked() {
    let (store, policy) = (MemoryStore::default(), policy("allow"));
    learn(
        &store,
        FrameKind::Snapshot,
        (0, 1),
        vec![(1, Some(record(1, Status::Active)))],
        at(10),
    );
    assert_eq!(
        ask(&store, 1, &policy, at(11)).0.decision().name(),
        "allowed"
    );
    learn(
        &store,
        FrameKind::Delta,
        (1, 2),
        vec![(1, Some(record(1, Status::Revoked)))],
        at(12),
    );
    let (exchange, step) = ask(&store, 1, &policy, at(12));
    assert_eq!(
        (exchange.decision().name(), status(&step)),
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
    let step = resume(&mut exchange, &store, 1, at(11));
    assert_eq!(
        (exchange.decision().name(), status(&step)),
        ("invalid_api_key", Some(401))
    );
    assert_eq!(
        ask(&store, 1, &policy, at(12)).0.decision().name(),
        "invalid_api_key"
    );
    assert!(matches!(
        ask(&store, 1, &policy, at(17)).1,
        Step::Resolve(_)
    ));
}

#[test]
fn a_mistyped_key_is_not_asked_about_once_the_directory_is_complete() {
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
fn a_new_key_works_at_once() {
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
    let step = resume(&mut exchange, &store, 1, at(11));
    assert_eq!(
        (exchange.decision().name(), status(&step)),
        ("allowed", None)
    );
}

#[test]
fn a_service_that_does_not_answer_is_a_503_and_never_a_401() {
    let (store, policy) = (MemoryStore::default(), policy("allow"));
    let (mut exchange, _) = ask(&store, 1, &policy, at(11));
    let step = resume(&mut exchange, &store, 1, at(11));
    assert_eq!(
        (exchange.decision().name(), status(&step)),
        ("not_ready", Some(503))
    );
}

#[test]
fn a_key_with_an_unreadable_record_is_refused_and_affects_no_other_key() {
    let policy = policy("allow");
    let bound = KeyRecord {
        endpoints: Some(EndpointSet::EMPTY),
        ..KeyRecord::plain(1, Status::Active)
    };
    let of_a_newer_program = [&[9], bound.to_wire().unwrap().as_slice()].concat();
    let for_an_older_program = bound.to_wire_for(1).unwrap();
    for unreadable in [of_a_newer_program, for_an_older_program] {
        let store = MemoryStore::default();
        let closed = KeyState {
            record: Record::Unreadable(unreadable),
            over_budget: false,
        };
        let keys = vec![(1, Some(closed)), (2, Some(record(2, Status::Active)))];
        learn(&store, FrameKind::Snapshot, (0, 1), keys, at(10));
        let (exchange, _) = ask(&store, 2, &policy, at(11));
        assert_eq!(exchange.decision().name(), "allowed");
        // It is asked about at most once in `unknown_key_seconds`, and is never a 401, even beyond the budget of lookups.
        let refused = |(exchange, step): (Exchange, Step)| {
            assert_eq!(
                (exchange.decision().name(), status(&step)),
                ("not_ready", Some(503))
            );
        };
        refused(ask(&store, 1, &policy, at(11)));
        for _ in 0..2 {
            let (mut exchange, step) = ask(&store, 1, &policy, at(15));
            assert!(matches!(step, Step::Resolve(_)), "{step:?}");
            let step = resume(&mut exchange, &store, 1, at(15));
            refused((exchange, step));
        }
        refused(ask(&store, 1, &policy, at(15)));
        // The service answers with a readable record of the same version.
        let readable = vec![(1, Some(record(1, Status::Active)))];
        learn(&store, FrameKind::Resolved, (1, 1), readable, at(16));
        let (exchange, _) = ask(&store, 1, &policy, at(16));
        assert_eq!(exchange.decision().name(), "allowed");
    }
}

#[test]
fn bodies_that_wait_for_a_key_have_a_bound_of_their_own() {
    let (store, policy) = (MemoryStore::default(), policy("allow"));
    let mut holding = Holding::default();
    let body = |arrived: u64| Body {
        arrived: arrived << 20,
        announced: Some(32 << 20),
    };
    let (mut first, _) = ask(&store, 1, &policy, at(11));
    let (mut second, _) = ask(&store, 2, &policy, at(11));
    let mut hold = |exchange: &mut Exchange, stream, bytes| {
        let step = exchange.hold((&mut holding, stream), body(bytes), &store, at(11));
        step.map(|step| (status(&step), exchange.decision().name()))
    };
    assert_eq!(hold(&mut first, 1, 20), None);
    assert_eq!(hold(&mut second, 2, 12), None);
    assert_eq!(hold(&mut second, 2, 13), Some((Some(503), "not_ready")));
    // The answer about its key arrives after the refusal.
    assert_eq!(hold(&mut second, 2, 13), None);
    assert_eq!(hold(&mut first, 1, 32), None);
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
    // Without a directory, the other requests get a retryable answer.
    let cold = MemoryStore::default();
    let last = (1..9)
        .map(|n| ask(&cold, n, &policy, at(11)).1)
        .last()
        .unwrap();
    assert_eq!(status(&last), Some(503));
}

#[test]
fn the_data_of_a_silent_service_is_used_for_the_configured_time() {
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
        assert_eq!(
            exchange.decision().name(),
            decision,
            "{seconds} {when_stale}"
        );
        let answer = exchange.response_head(&Head::default());
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
fn a_model_whose_budget_is_spent_is_refused_and_others_pass() {
    let (store, policy) = (MemoryStore::default(), policy("allow"));
    let bound = KeyRecord {
        spent_models: serde_json::from_str(r#"["gpt-4o*","text-e"]"#).unwrap(),
        ..KeyRecord::plain(1, Status::Active)
    };
    let state = KeyState {
        record: bound.into(),
        over_budget: false,
    };
    learn(
        &store,
        FrameKind::Snapshot,
        (0, 1),
        vec![(1, Some(state))],
        at(10),
    );
    for (target, body, decision) in [
        (
            "POST /v1/chat/completions",
            r#"{"model":"gpt-4o-mini"}"#,
            "insufficient_quota",
        ),
        ("POST /v1/chat/completions", r#"{"model":"o3"}"#, "allowed"),
        // A model that a tool of the request runs.
        (
            "POST /v1/responses",
            r#"{"model":"o3","tools":[{"type":"image_generation","model":"gpt-4o"}]}"#,
            "insufficient_quota",
        ),
        // The model that it runs cannot be determined.
        (
            "POST /v1/responses",
            r#"{"model":"o3","prompt":{"id":"p"}}"#,
            "bad_request",
        ),
        (
            "POST /v1/v1beta/models/text-e:batchEmbedContents",
            r#"{"requests":[{"model":"models/text-e"}]}"#,
            "insufficient_quota",
        ),
    ] {
        let (exchange, step) = send_under(
            &policy,
            &store,
            &[
                target,
                "authorization: Bearer {1}",
                "content-type: application/json",
            ],
            body,
        );
        assert_eq!(exchange.decision().name(), decision, "{target} {body}");
        if decision == "insufficient_quota" {
            let Step::Reply(reply) = step else {
                panic!("passed")
            };
            assert_eq!(reply.status, 429);
            assert!(reply.headers.contains(&("x-should-retry", "false".into())));
            assert!(
                reply.body.contains("budget of key `key_1` for model"),
                "{}",
                reply.body
            );
        }
    }
}

#[test]
fn spent_credit_is_not_retryable_and_is_attributed() {
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
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    };
    assert!(directory::apply(&store, &frame, at(10).monotonic).unwrap());
    let (exchange, Step::Reply(reply)) = ask(&store, 1, &policy, at(11)) else {
        panic!("passed")
    };
    assert_eq!(
        (reply.status, exchange.decision().name()),
        (429, "insufficient_quota")
    );
    assert!(reply.headers.contains(&("x-should-retry", "false".into())));
    let event = exchange.usage_event([1; 16], None, at(12)).unwrap();
    assert_eq!(
        (event.status, event.decision.as_str(), event.duration_ms),
        (429, "insufficient_quota", 1_000)
    );
}

/// What the service tells of tier `free`: requests a minute, and the models of its keys.
fn tell_tier(store: &MemoryStore, version: u64, requests: u32, models: &str) {
    let pattern = ModelPattern::new(models).unwrap();
    let tier = Tier::of_rates(requests, 1_000).map(|tier| Tier {
        models: ModelSet::new(vec![pattern]),
        ..tier
    });
    let frame = Frame {
        kind: FrameKind::Delta,
        more: false,
        epoch: 1,
        from: version - 1,
        to: version,
        keys: vec![],
        teams: vec![],
        tiers: vec![TierEntry {
            name: TierName::new("free").unwrap(),
            version,
            tier,
        }],
        watch: crate::sync::Watch::default(),
    };
    assert!(directory::apply(store, &frame, at(10).monotonic).unwrap());
}

#[test]
fn a_key_of_the_service_has_the_services_tier_and_an_inline_key_the_configured_one() {
    let store = MemoryStore::default();
    let inline = hex::encode(key(2).digest().as_bytes());
    let json = format!(
        r#"{{"service":{{"cluster":"auth","token":"t"}},"keys":{{"{inline}":{{"id":"key_2","team":"acme","tier":"free"}}}}}}"#
    );
    let policy = Arc::new(Policy::from_json(json.as_bytes()).unwrap());
    learn(
        &store,
        FrameKind::Snapshot,
        (0, 1),
        vec![(1, Some(record(1, Status::Active)))],
        at(10),
    );
    let limit = |n: u8| {
        let (exchange, _) = ask(&store, n, &policy, at(11));
        let tier = exchange
            .principal
            .as_ref()
            .unwrap()
            .tier_in_force()
            .unwrap();
        (tier.requests_per_minute.get(), tier.models.allows("gpt-4o"))
    };
    let configured = (60, true);
    assert_eq!(limit(1), configured, "the service has told of no tier");
    tell_tier(&store, 2, 7, "claude*");
    assert_eq!((limit(1), limit(2)), ((7, false), configured));
    tell_tier(&store, 3, 9, "*");
    assert_eq!((limit(1), limit(2)), ((9, true), configured));
    // A tier that the service has removed.
    tell_tier(&store, 4, 0, "*");
    assert_eq!((limit(1), limit(2)), (configured, configured));
}

/// `GET path` with key n.
fn ask_own(
    store: &MemoryStore,
    n: u8,
    policy: &Arc<Policy>,
    path: &str,
    now: Now,
) -> (Exchange, Step) {
    let authorization = format!("Bearer {}", key(n).reveal());
    let head = Head::new(vec![
        (b":method".as_slice(), b"GET".as_slice()),
        (b":path", path.as_bytes()),
        (b"authorization", authorization.as_bytes()),
    ]);
    Exchange::start(&head, true, policy, store, now)
}

/// A store with key 1, whose budget is spent, and key 2, which is revoked.
fn with_own() -> MemoryStore {
    let store = MemoryStore::default();
    let spent = KeyState {
        over_budget: true,
        ..record(1, Status::Active)
    };
    let keys = vec![(1, Some(spent)), (2, Some(record(2, Status::Revoked)))];
    learn(&store, FrameKind::Snapshot, (0, 1), keys, at(10));
    store
}

#[test]
fn a_key_asks_the_service_about_itself_even_when_its_budget_is_spent() {
    let (store, policy) = (with_own(), policy("allow"));
    // Two may be asked a second.
    for (second, (path, about, query)) in (11..).zip([
        ("/v1/key", About::Key, ""),
        ("/api/v1/key", About::Key, ""),
        ("/v1/usage?from=2026-11-01", About::Usage, "from=2026-11-01"),
        ("/v1/usage?a=/../x", About::Usage, "unreadable"),
        ("/v1/usage?a\u{e9}", About::Usage, "unreadable"),
    ]) {
        let (exchange, step) = ask_own(&store, 1, &policy, path, at(second));
        let Step::AskOwn(question) = step else {
            panic!("{path}: {step:?}");
        };
        let expected = OwnQuestion {
            key: crate::ident::KeyId::new("key_1").unwrap(),
            about,
            query: query.to_owned(),
        };
        assert_eq!(
            (question, exchange.decision().name()),
            (expected, "own_account")
        );
    }
    let (_, refused) = ask_own(&store, 2, &policy, "/v1/key", at(30));
    assert_eq!(status(&refused), Some(403), "a revoked key asks nothing");
}

#[test]
fn the_services_answer_is_passed_on_and_without_one_the_request_can_be_repeated() {
    let (store, policy) = (with_own(), policy("allow"));
    let answers = [
        (Some(&b"\x00\xc8{\"data\":{}}"[..]), 200, r#"{"data":{}}"#),
        (Some(b"\x01\x90{\"error\":{}}"), 400, r#"{"error":{}}"#),
        (Some(b"garbage"), 503, "gate_not_ready"),
        (None, 503, "gate_not_ready"),
    ];
    for (second, (answer, expected, body)) in (11..).zip(answers) {
        let (mut exchange, _) = ask_own(&store, 1, &policy, "/v1/key", at(second));
        let step = exchange.own_answered(answer, &store, at(second));
        let Step::Reply(reply) = &step else {
            panic!("{step:?}");
        };
        assert_eq!(reply.status, expected);
        assert!(reply.body.contains(body), "{}", reply.body);
    }
}

#[test]
fn questions_about_an_account_are_bounded_and_spend_none_of_the_keys_limits() {
    let (store, policy) = (MemoryStore::default(), policy("allow"));
    let keys = vec![
        (1, Some(record(1, Status::Active))),
        (3, Some(record(3, Status::Active))),
    ];
    learn(&store, FrameKind::Snapshot, (0, 1), keys, at(10));
    let ask_at = |n, policy, now| match ask_own(&store, n, policy, "/v1/key", now).1 {
        Step::AskOwn(_) => 200,
        step => status(&step).unwrap(),
    };
    // Two a second for the whole process; see `policy`.
    let few = [1, 1, 1].map(|n| ask_at(n, &policy, at(11)));
    assert_eq!(few, [200, 200, 503]);
    assert_eq!(ask_at(3, &policy, at(12)), 200);
    let generous = br#"{"service":{"cluster":"auth","token":"t","resolves_per_second":1000}}"#;
    let generous = Arc::new(Policy::from_json(generous).unwrap());
    let many: Vec<_> = (0..25).map(|_| ask_at(1, &generous, at(100))).collect();
    assert_eq!(many[19..21], [200, 429], "a key has a bound of its own");
    assert_eq!(ask_at(3, &generous, at(100)), 200);
    let (exchange, _) = ask(&store, 1, &policy, at(100));
    let (snapshot, _) = exchange.snapshot.unwrap();
    assert_eq!(snapshot.requests.unwrap().used, 1, "the request itself");
}

#[test]
fn nobody_keeps_an_account_of_an_inline_key() {
    let store = MemoryStore::default();
    let inline = hex::encode(key(2).digest().as_bytes());
    let keys = format!(r#""keys":{{"{inline}":{{"id":"key_2","team":"acme","tier":"free"}}}}"#);
    for service in ["", r#","service":{"cluster":"auth","token":"t"}"#] {
        let policy = Policy::from_json(format!("{{{keys}{service}}}").as_bytes()).unwrap();
        let (_, step) = ask_own(&store, 2, &Arc::new(policy), "/v1/key", at(11));
        let Step::Reply(reply) = &step else {
            panic!("{step:?}");
        };
        assert!(
            reply.status == 404 && reply.body.contains("no_key_service"),
            "{reply:?}"
        );
    }
}
