//! The gate's own replies, and the rest of the refused requests.

use super::*;

/// A request of key 9, which is unknown, over this protocol.
fn refused(protocol: Option<&'static str>, body: Option<&str>) -> (Stand, Outcome) {
    let request = "POST /v1/chat/completions";
    Stand::send_to(
        TestHost::over(protocol),
        Reach::Front,
        &policy(""),
        9,
        request,
        body,
    )
}

#[test]
fn a_reply_waits_for_the_end_of_the_request_if_the_protocol_would_lose_it() {
    for (protocol, body, waits) in [
        (Some("HTTP/1.1"), Some(CHAT), false),
        (Some("HTTP/2"), Some(CHAT), true),
        (Some("HTTP/2"), None, false),
        (None, Some(CHAT), false),
    ] {
        let (_, outcome) = refused(protocol, body);
        if waits {
            assert!(matches!(outcome, Outcome::Held), "{protocol:?}");
        } else {
            assert_eq!(outcome.status(), 401, "{protocol:?}");
        }
    }
}

#[test]
fn the_rest_of_a_refused_body_is_dropped_and_the_reply_is_sent_at_its_end() {
    let (mut stand, _) = refused(Some("HTTP/2"), Some(CHAT));
    assert_eq!(
        stand.host.series(),
        ["gmtech_requests none invalid_api_key=1"]
    );
    assert!(matches!(stand.push(b"{\"model\"", false), Outcome::Held));
    assert!(stand.held.is_empty());
    assert!(stand.stream.takes_body(), "the rest is dropped");
    assert!(matches!(stand.push(b"", false), Outcome::Held));
    assert_eq!(stand.push(b":1}", true).status(), 401);
    assert!(stand.held.is_empty());
    assert!(!stand.stream.takes_body(), "it was answered");
    stand.end();
    assert_eq!(
        stand.host.series(),
        ["gmtech_requests none invalid_api_key=1"]
    );
}

#[test]
fn a_body_that_cannot_be_dropped_or_is_too_large_is_answered_at_once() {
    let (mut stand, _) = refused(Some("HTTP/2"), Some(CHAT));
    stand.drops = false;
    assert_eq!(stand.push(b"{", false).status(), 401);
    let (mut stand, _) = refused(Some("HTTP/2"), Some(CHAT));
    assert!(matches!(
        stand.stream.dropped(usize::MAX, true),
        RequestAction::Reply(_)
    ));
    assert!(
        matches!(stand.stream.dropped(1, true), RequestAction::Hold),
        "answered once"
    );
}

#[test]
fn a_refusal_by_the_bodys_content_drops_the_held_part() {
    let (mut stand, _) = Stand::send_to(
        TestHost::over(Some("HTTP/2")),
        Reach::Front,
        &policy(""),
        5,
        "POST /v1/chat/completions",
        Some(CHAT),
    );
    // The first piece has the model, which key 5 may not use.
    assert!(matches!(
        stand.push(&CHAT.as_bytes()[..40], false),
        Outcome::Held
    ));
    assert!(stand.held.is_empty());
    assert_eq!(
        stand.host.field(Field::Decision).as_deref(),
        Some("model_not_found")
    );
    assert_eq!(stand.push(&CHAT.as_bytes()[40..], true).status(), 403);
}

#[test]
fn a_body_is_too_large_by_its_announced_or_its_actual_length() {
    let large = "x".repeat(40 << 20);
    let (_, outcome) = Stand::send(&policy(""), 1, "POST /v1/chat/completions", Some(&large));
    assert_eq!(outcome.status(), 413);
    let (mut stand, _) = Stand::send(&policy(""), 1, "POST /v1/chat/completions", Some(""));
    assert_eq!(stand.push(large.as_bytes(), false).status(), 413);
    assert_eq!(stand.host.series(), ["gmtech_requests free bad_request=1"]);
}

#[test]
fn a_refused_stream_holds_no_place_and_no_bytes() {
    let policy = policy("");
    let (mut stand, _) = Stand::send(&policy, 1, "POST /v1/chat/completions", Some(CHAT));
    stand.push(b"[]", true);
    let before = stand.host.store.swaps.get();
    stand.agent.tick(&stand.host, NOW.monotonic + 60 * SECOND);
    assert_eq!(stand.host.store.swaps.get(), before, "nothing is renewed");
}
