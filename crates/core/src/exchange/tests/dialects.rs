//! Each client is answered in its own dialect.

use super::*;

#[test]
fn each_refusal_is_in_the_dialect_of_its_client() {
    let store = MemoryStore::default();
    for (request, says) in [
        (
            &["POST /v1/messages"][..],
            r#"{"type":"error","error":{"type":"authentication_error","#,
        ),
        (
            &["POST /v1/models/g:generateContent"],
            r#"{"error":{"code":401,"#,
        ),
        (
            &["GET /v1/models", "anthropic-version: x"],
            r#"{"type":"error","#,
        ),
        (&["GET /v1/models"], r#"{"error":{"message":"#),
        (
            &["TRACE /v1/messages"],
            r#"{"type":"error","error":{"type":"invalid_request_error","#,
        ),
        (
            &["POST /v9/messages"],
            r#"{"type":"error","error":{"type":"not_found_error","#,
        ),
    ] {
        let (exchange, Step::Reply(reply)) = send(&store, request) else {
            panic!("passed")
        };
        assert!(reply.body.starts_with(says), "{request:?}: {}", reply.body);
        let unavailable = exchange.reply(&Denial::Unavailable).body;
        assert_eq!(
            unavailable.starts_with(r#"{"type":"error""#),
            says.starts_with(r#"{"type":"error""#)
        );
    }
}

#[test]
fn an_anthropic_answer_shows_our_limits_in_anthropics_headers() {
    let store = MemoryStore::default();
    let request = [
        "GET /v1/models",
        "authorization: Bearer {1}",
        "anthropic-version: x",
    ];
    let (mut exchange, _) = send(&store, &request);
    let upstream = [(
        b"anthropic-ratelimit-requests-limit".as_slice(),
        b"9".as_slice(),
    )];
    let edits = exchange.response_head(&Head::new(upstream.to_vec())).head;
    assert_eq!(edits.remove.len(), 1);
    let set: Vec<_> = edits.set.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    assert!(
        set.contains(&"anthropic-ratelimit-requests-remaining: 59".to_owned()),
        "{set:?}"
    );
    assert!(
        set.contains(&"anthropic-ratelimit-requests-reset: 2027-01-15T08:00:01Z".to_owned()),
        "{set:?}"
    );
    assert!(!set.iter().any(|h| h.starts_with("x-ratelimit-")));
    let (_, Step::Reply(limits)) = send(
        &store,
        &[
            "GET /v1/limits",
            "authorization: Bearer {1}",
            "anthropic-version: x",
        ],
    ) else {
        panic!("passed")
    };
    assert!(
        limits
            .headers
            .contains(&("anthropic-ratelimit-requests-remaining", "59".into()))
    );
}
