//! Requests that wait for an answer of the key service.

use super::*;
use crate::address::AddressSet;
use crate::agent::Call;
use crate::ident::{KeyId, TeamId, TierName};
use crate::limits::LimitOverrides;
use crate::record::{KeyRecord, Status};
use crate::sync::{Frame, FrameKind, KeyEntry, KeyState};

/// The record of key `n` in the service.
fn record(n: u8) -> KeyRecord {
    KeyRecord::plain(n.into(), Status::Active)
}

/// The service's answer about key `n`, which is known or unknown to it.
fn resolved(n: u8, known: bool) -> Vec<u8> {
    answer(n, known.then(|| record(n)))
}

/// The service's answer about key `n`: this record, or none.
fn answer(n: u8, record: Option<KeyRecord>) -> Vec<u8> {
    let entry = KeyEntry {
        digest: key(n).digest(),
        version: 5,
        state: record.map(|record| KeyState {
            record: record.into(),
            over_budget: false,
        }),
    };
    let frame = Frame {
        kind: FrameKind::Resolved,
        more: false,
        epoch: 1,
        from: 5,
        to: 5,
        keys: vec![entry],
        teams: vec![],
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    };
    frame.encode().unwrap()
}

/// A request of key 9, which is not in the configuration.
fn unknown(body: Option<&str>) -> (Stand, Call) {
    let method = if body.is_some() {
        "POST /v1/chat/completions"
    } else {
        "GET /v1/models"
    };
    match Stand::send(&policy(SERVICE), 9, method, body) {
        (stand, Outcome::Asked(call)) => (stand, call),
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_key_is_resolved_at_the_service() {
    let (stand, call) = unknown(None);
    assert_eq!((call.method, call.body), ("GET", None));
    assert_eq!(call.service.cluster, "auth");
    assert_eq!(
        call.path,
        format!("/sync/v1/resolve/{}?keys=3", key(9).digest().to_hex())
    );
    assert_eq!(call.timeout, SECOND);
    assert!(stand.stream.is_asking());
    assert_eq!(stand.host.series(), ["gmtech_resolves=1"]);
}

#[test]
fn the_answer_of_the_service_decides() {
    for (answer, status, warnings) in [
        (Some(resolved(9, true)), None, 0),
        (Some(resolved(9, false)), Some(401), 0),
        (Some(resolved(8, true)), Some(503), 0),
        (Some(b"rubbish".to_vec()), Some(503), 1),
        (None, Some(503), 0),
    ] {
        let (mut stand, _) = unknown(None);
        let outcome = stand.answered(answer.as_deref());
        assert!(!stand.stream.is_asking());
        match status {
            None => assert!(matches!(outcome, Outcome::Forwarded(..))),
            Some(status) => assert_eq!(outcome.status(), status),
        }
        assert_eq!(stand.host.warnings.borrow().len(), warnings);
    }
}

#[test]
fn a_body_that_arrives_meanwhile_is_read_after_the_answer() {
    let expected = apply(CHAT.as_bytes(), UsageEdit::InsertAtOpen { at: 1 });
    for (before, after) in [(0, 0), (5, 0), (CHAT.len(), 0), (0, 5), (5, 5)] {
        let (mut stand, _) = unknown(Some(CHAT));
        let (first, rest) = CHAT.as_bytes().split_at(before);
        let all = before == CHAT.len();
        if before > 0 {
            assert!(matches!(stand.push(first, all), Outcome::Held));
        }
        let mut outcome = stand.answered(Some(&resolved(9, true)));
        if !all {
            assert!(matches!(outcome, Outcome::Held), "{before} {after}");
            let (second, third) = rest.split_at(after);
            if after > 0 {
                assert!(matches!(stand.push(second, false), Outcome::Held));
            }
            outcome = stand.push(third, true);
        }
        let Outcome::Forwarded(_, body) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(body, expected, "{before} {after}");
    }
}

#[test]
fn a_body_that_arrived_before_its_address_bound_key_was_known_is_read() {
    let bound = KeyRecord {
        addresses: Some(AddressSet::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap()),
        ..record(9)
    };
    for (address, status) in [("10.1.2.3", None), ("192.0.2.1", Some(401))] {
        let host = TestHost::of_client(Ok(Some(address)));
        let (policy, request) = (policy(SERVICE), "POST /v1/chat/completions");
        let (mut stand, outcome) =
            Stand::send_to(host, Reach::Front, &policy, 9, request, Some(CHAT));
        assert!(matches!(outcome, Outcome::Asked(_)));
        assert!(matches!(stand.push(CHAT.as_bytes(), true), Outcome::Held));
        let outcome = stand.answered(Some(&answer(9, Some(bound.clone()))));
        match status {
            None => assert!(matches!(outcome, Outcome::Forwarded(..)), "{outcome:?}"),
            Some(status) => assert_eq!(outcome.status(), status),
        }
    }
}

#[test]
fn a_waiting_request_whose_body_is_too_large_is_refused_and_waits_no_more() {
    let (mut stand, _) = unknown(Some(""));
    let large = vec![b' '; 40 << 20];
    let status = stand.push(&large, false).status();
    assert_eq!(status, 413);
    assert!(!stand.stream.is_asking());
}

#[test]
fn an_objects_maker_is_asked_for_and_the_makers_team_may_read_it() {
    use crate::objects::{Kind, Object, ObjectId};
    use crate::sync::objects;
    let more = format!(r#"{SERVICE},"endpoints":{{"stored_responses":"allow"}}"#);
    let policy = policy(&more);
    let object = |team: &str| Object {
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new(team).unwrap(),
        tier: TierName::new("free").unwrap(),
        limits: LimitOverrides::default(),
        model: None,
        kind: Kind::Response,
        of: None,
        work: None,
        charged: 0,
        settled: true,
        lineage: None,
    };
    let id = ObjectId::of(b"resp_1");
    let answer = |object: Option<Object>| objects::encode(&[(id, object)]).unwrap();
    for (answer, status) in [
        (Some(answer(Some(object("acme")))), None),
        (Some(answer(Some(object("other")))), Some(404)),
        (Some(answer(None)), Some(404)),
        (Some(b"rubbish".to_vec()), Some(503)),
        (None, Some(503)),
    ] {
        let (mut stand, outcome) = Stand::send(&policy, 1, "GET /v1/responses/resp_1", None);
        let Outcome::Asked(call) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            call.path,
            format!("/sync/v1/objects/{}?wait=1500", id.to_hex())
        );
        assert_eq!(call.timeout, 5 * SECOND / 2);
        assert_eq!(stand.host.series(), ["gmtech_object_resolves=1"]);
        match (stand.answered(answer.as_deref()), status) {
            (Outcome::Forwarded(..), None) => {}
            (outcome, status) => assert_eq!(Some(outcome.status()), status),
        }
    }
}
