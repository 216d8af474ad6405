//! One story for each rule of a stream.

use super::*;
use crate::agent::test_host::TestHost;
use crate::request::{UsageEdit, apply};
use crate::time::SECOND;

mod answers;
mod questions;
mod refusals;
mod stand;

use stand::{CHAT, NOW, Outcome, SERVICE, Stand, key, policy, with};

#[test]
fn a_request_in_any_pieces_is_forwarded_with_its_body_and_length() {
    let policy = policy("");
    let expected = apply(CHAT.as_bytes(), UsageEdit::InsertAtOpen { at: 1 });
    for reach in [Reach::Front, Reach::Everywhere] {
        for size in [1, 2, 7, CHAT.len() - 1, CHAT.len()] {
            let host = TestHost::default();
            let request = "POST /v1/chat/completions";
            let (mut stand, outcome) = Stand::send_to(host, reach, &policy, 1, request, Some(CHAT));
            assert!(matches!(outcome, Outcome::Held));
            let Outcome::Forwarded(head, body) = stand.push_all(CHAT, size) else {
                panic!("refused")
            };
            assert_eq!(body, expected, "{reach:?} {size}");
            let length = ("content-length", expected.len().to_string());
            assert!(head.contains(&length), "{head:?}");
            assert!(!stand.stream.takes_body(), "it has gone on");
            assert!(
                matches!(stand.push(b"", true), Outcome::Forwarded(..)),
                "nothing is held up"
            );
        }
    }
}

#[test]
fn a_request_that_ends_with_trailers_is_complete() {
    let (mut stand, _) = Stand::send(&policy(""), 1, "POST /v1/chat/completions", Some(CHAT));
    assert!(matches!(stand.push(CHAT.as_bytes(), false), Outcome::Held));
    let Stand {
        stream,
        agent,
        host,
        ..
    } = &mut stand;
    let action = stream.body_trailers(agent, host, NOW);
    assert!(matches!(stand.carry_out(action), Outcome::Forwarded(..)));
}

#[test]
fn a_request_is_reported_at_its_decision_and_at_its_end() {
    for (more, id) in [
        ("", None),
        (SERVICE, Some("00000000000000070000000000000001")),
    ] {
        let (mut stand, _) = Stand::send(&policy(more), 1, "POST /v1/chat/completions", Some(CHAT));
        let field = |stand: &Stand, field| stand.host.field(field);
        assert_eq!(
            field(&stand, Field::Path).as_deref(),
            Some("/v1/chat/completions")
        );
        assert_eq!(
            field(&stand, Field::Decision),
            None,
            "nothing is decided yet"
        );
        stand.push_all(CHAT, CHAT.len());
        for (of, value) in [
            (Field::Decision, Some("allowed")),
            (Field::Team, Some("acme")),
            (Field::Key, Some("key_1")),
            (Field::Tier, Some("free")),
            (Field::Model, Some("gpt-4o")),
            (Field::EventId, id),
        ] {
            assert_eq!(field(&stand, of).as_deref(), value, "{of:?}");
        }
        // A service that has never answered counts as silent.
        assert_eq!(
            stand.host.measured("gmtech_degraded"),
            u64::from(id.is_some())
        );
        assert_eq!(stand.host.measured("gmtech_requests free allowed"), 1);
        stand.end();
        assert_eq!(
            field(&stand, Field::UsageSource).as_deref(),
            Some("lower_bound")
        );
        assert_eq!(stand.host.measured("gmtech_settled free lower_bound"), 1);
        stand.end();
        assert_eq!(
            stand.host.measured("gmtech_settled free lower_bound"),
            1,
            "once"
        );
    }
}

#[test]
fn a_client_that_leaves_is_reported_as_incomplete() {
    let (mut stand, _) = Stand::send(&policy(SERVICE), 1, "POST /v1/chat/completions", Some(CHAT));
    stand.push(b"{", false);
    stand.end();
    assert_eq!(stand.host.measured("gmtech_requests free incomplete"), 1);
    assert_eq!(stand.host.field(Field::EventId), None);
}

#[test]
fn a_streams_usage_goes_to_the_service_of_its_policy() {
    use crate::sync::events::decode_batch;
    let policy = policy(SERVICE);
    let (mut stand, _) = Stand::send(&policy, 1, "POST /v1/chat/completions", Some(CHAT));
    stand.push_all(CHAT, 20);
    stand.end();
    stand.agent.configured(1, policy.service());
    stand.agent.tick(&stand.host, NOW.monotonic);
    let mut events = Vec::new();
    while let Some((id, call)) = stand.agent.poll(1, &stand.host, NOW.monotonic) {
        stand.agent.sent(id, Some(1), NOW.monotonic);
        events.extend(
            call.body
                .iter()
                .flat_map(|body| decode_batch(body).unwrap()),
        );
    }
    let [Ok(event)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event.id, [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(event.model.as_ref().unwrap().as_str(), "gpt-4o");
}

#[test]
fn without_a_clock_nothing_is_settled_and_nothing_stays_held() {
    let policy = policy("");
    let (mut stand, _) = Stand::send(&policy, 1, "POST /v1/chat/completions", Some(CHAT));
    stand.push(b"{", false);
    stand.stream.end(&mut stand.agent, &stand.host, None);
    assert!(stand.host.series().is_empty());
    stand.end();
    assert_eq!(
        stand.host.series(),
        ["gmtech_requests free incomplete=1"],
        "it may come later"
    );
}

#[test]
fn the_address_is_read_only_for_bound_keys_and_a_failing_host_is_an_error() {
    for (address, status) in [
        (Some("10.1.2.3"), None),
        (Some("11.0.0.1"), Some(401)),
        (None, Some(401)),
    ] {
        let host = TestHost::of_client(Ok(address));
        let policy = policy("");
        let (_, outcome) = Stand::send_to(host, Reach::Front, &policy, 6, "GET /v1/models", None);
        match status {
            None => assert!(matches!(outcome, Outcome::Forwarded(..)), "{address:?}"),
            Some(status) => assert_eq!(outcome.status(), status, "{address:?}"),
        }
    }
    let host = TestHost::of_client(Err("refused"));
    let bearer = format!("Bearer {}", key(6).reveal());
    let head = [
        (":method", "GET"),
        (":path", "/v1/models"),
        ("authorization", &bearer),
    ];
    let head = head.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (mut agent, policy) = (Agent::new(7), policy(""));
    let (stream, action) = with(&head, |head| {
        Stream::start(
            3,
            (head, true),
            &policy,
            Reach::Front,
            &mut agent,
            &host,
            NOW,
        )
    });
    assert_eq!(action.unwrap_err(), "refused");
    assert_eq!(stream.unavailable().status, 503);
}

#[test]
fn a_key_in_the_url_is_cut_before_anything_logs_it() {
    let path = format!("GET /v1/models?key={}", key(1).reveal());
    let (stand, outcome) = Stand::send(&policy(""), 1, &path, None);
    let edits = stand.stream.redaction();
    assert_eq!(
        edits.set,
        [(":path", "/v1/models?key=gmtech_REDACTED".to_owned())]
    );
    assert_eq!(outcome.status(), 401);
    let (stand, _) = Stand::send(&policy(""), 1, "GET /v1/models", None);
    assert_eq!(stand.stream.redaction(), HeadEdits::default());
}
