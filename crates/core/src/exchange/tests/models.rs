//! The models that a key may use, and the endpoints that are open.

use super::*;

const ALL_OPEN: &str = r#","unknown_objects":"allow","endpoints":{"files":"allow","vector_stores":"allow","assistants":"allow",
    "engines":"allow","realtime":"allow","videos":"allow","other":"allow","fine_tuning":"allow"}"#;

/// The status and the code of the refusal of a JSON body, with every endpoint open.
fn judged(key: u8, target: &str, body: &str) -> Option<(u16, String)> {
    let policy = policy_with(ALL_OPEN);
    let authorization = format!("authorization: Bearer {{{key}}}");
    let request = [target, &authorization, "content-type: application/json"];
    match send_under(&policy, &MemoryStore::default(), &request, body).1 {
        Step::Reply(reply) => {
            let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
            Some((
                reply.status,
                body["error"]["code"].as_str().unwrap_or_default().into(),
            ))
        }
        Step::Forward(_) => None,
        other => panic!("{other:?}"),
    }
}

/// Key 5 may use `gpt-4o-mini` and `text-*`, key 1 everything.
#[test]
fn a_body_without_exactly_one_certain_allowed_model_is_refused() {
    for (target, body, refused) in [
        ("POST /v1/responses", r#"{"model":"gpt-4o-mini"}"#, None),
        (
            "POST /v1/responses",
            r#"{"input":"x"}"#,
            Some((400, "missing_required_parameter")),
        ),
        (
            "POST /v1/moderations",
            r#"{"input":"x"}"#,
            Some((400, "missing_required_parameter")),
        ),
        (
            "POST /v1/moderations",
            r#"{"model":"text-moderation","input":"x"}"#,
            None,
        ),
        (
            "POST /v1/threads/runs",
            r#"{"assistant_id":"a"}"#,
            Some((400, "missing_required_parameter")),
        ),
        (
            "POST /v1/videos",
            r#"{"prompt":"x"}"#,
            Some((400, "missing_required_parameter")),
        ),
        (
            "POST /v1/something",
            "{}",
            Some((400, "missing_required_parameter")),
        ),
        ("POST /v1/threads", "{}", None),
        ("POST /v1/vector_stores", "{}", None),
        (
            "POST /v1/chat/completions",
            r#"{"model":"text-a,gpt-4o"}"#,
            Some((403, "model_not_found")),
        ),
        (
            "POST /v1/chat/completions",
            r#"{"model":"text-a@preset/b"}"#,
            Some((403, "model_not_found")),
        ),
        (
            "POST /v1/engines/gpt-4o/completions",
            r#"{"prompt":"x"}"#,
            Some((403, "model_not_found")),
        ),
        (
            "POST /v1/engines/gpt-4o-mini/completions",
            r#"{"prompt":"x"}"#,
            None,
        ),
        (
            "POST /v1/engines/gpt-4o-mini/completions",
            r#"{"model":"gpt-4o","prompt":"x"}"#,
            Some((400, "invalid_value")),
        ),
        (
            "POST /v1/responses",
            r#"{"model":"gpt-4o-mini","tools":[{"type":"image_generation","model":"o1"}]}"#,
            Some((403, "model_not_found")),
        ),
        (
            "POST /v1/responses",
            r#"{"model":"gpt-4o-mini","tools":[{"type":"image_generation","model":"text-i"}]}"#,
            None,
        ),
        (
            "POST /v1/responses",
            r#"{"model":"gpt-4o-mini","prompt":{"id":"p"}}"#,
            Some((400, "unknown_parameter")),
        ),
        (
            "POST /v1/chat/completions",
            r#"{"model":"gpt-4o-mini","preset":"p"}"#,
            Some((400, "unknown_parameter")),
        ),
        (
            "POST /v1/chat/completions",
            r#"{"model":"gpt-4o-mini","extra_body":{"model":"gmtech_abcdefgh1234"}}"#,
            Some((400, "invalid_value")),
        ),
        (
            "POST /v1/chat/completions?model=gpt-4o",
            r#"{"model":"gpt-4o-mini"}"#,
            Some((400, "unknown_parameter")),
        ),
        (
            "POST /v1/chat/completions?x=1&Fallb%61cks=gpt-4o",
            r#"{"model":"gpt-4o-mini"}"#,
            Some((400, "unknown_parameter")),
        ),
        (
            "POST /v1/chat/completions?api-version=1",
            r#"{"model":"gpt-4o-mini"}"#,
            None,
        ),
        (
            "GET /v1/realtime?model=gpt-4o-mini",
            "",
            Some((400, "unknown_parameter")),
        ),
        ("GET /v1/responses", "", Some((400, "unknown_parameter"))),
        (
            "POST /v1/v1beta/models/text-e:batchEmbedContents",
            r#"{"requests":[{"model":"models/text-e"}]}"#,
            None,
        ),
        // Gemini's errors have no code of this kind.
        (
            "POST /v1/v1beta/models/text-e:batchEmbedContents",
            r#"{"requests":[{"model":"models/o1"}]}"#,
            Some((403, "")),
        ),
        ("GET /v1/files/file-1", "", None),
    ] {
        let got = judged(5, target, body);
        let refused = refused.map(|(status, code)| (status, code.to_owned()));
        assert_eq!(got, refused, "{target} {body}");
        let conflicts = target.contains("engines") && body.contains("model");
        let spells_a_key = body.contains("gmtech_");
        if !conflicts && !spells_a_key {
            assert_eq!(judged(1, target, body), None, "{target} {body}");
        }
    }
}

#[test]
fn an_opened_endpoint_is_charged_as_providers_bill_it() {
    for (target, body, least) in [
        (
            "POST /v1/vector_stores",
            r#"{"name":"a long name of a store"}"#,
            0,
        ),
        (
            "POST /v1/threads",
            r#"{"messages":[{"role":"user","content":"hello"}]}"#,
            0,
        ),
        (
            "POST /v1/images/generations",
            r#"{"model":"dall-e-3","prompt":"a cat"}"#,
            0,
        ),
        (
            "POST /v1/images/generations",
            r#"{"model":"openai/dall-e-2","prompt":"a cat"}"#,
            0,
        ),
        (
            "POST /v1/images/generations",
            r#"{"model":"gpt-image-1","prompt":"a cat"}"#,
            1,
        ),
        ("POST /v1/threads/runs", r#"{"assistant_id":"a"}"#, 1),
        ("POST /v1/something", r#"{"prompt":"hello"}"#, 1),
    ] {
        let policy = policy_with(ALL_OPEN);
        let request = [target, "authorization: Bearer {1}"];
        let (mut exchange, step) = send_under(&policy, &MemoryStore::default(), &request, body);
        assert!(matches!(step, Step::Forward(_)), "{target}");
        let head = [(&b":status"[..], &b"200"[..])];
        exchange.response_head(&Head::new(head.to_vec()));
        let settled = exchange.finish(&MemoryStore::default(), NOW);
        let charged = settled.map_or(0, |s| s.charged);
        assert!(
            if least == 0 {
                charged == 0
            } else {
                charged >= least
            },
            "{target} {charged}"
        );
    }
}

#[test]
fn a_closed_endpoint_counts_as_a_request() {
    let store = MemoryStore::default();
    let (exchange, step) = send(&store, &["DELETE /v1/files/x", "authorization: Bearer {4}"]);
    assert_eq!(
        (status(&step), exchange.decision().name()),
        (Some(404), "unknown_url")
    );
    assert_eq!(exchange.attributed().unwrap().id.as_str(), "key_4");
    let (exchange, _) = send(&store, &["GET /v1/models", "authorization: Bearer {4}"]);
    assert_eq!(exchange.decision().name(), "rate_limit_requests");
}

/// A list of models as key 5 sees it.
fn listed(list: &str) -> Option<String> {
    let store = MemoryStore::default();
    let (exchange, _) = send(&store, &["GET /v1/models", "authorization: Bearer {5}"]);
    let listed = exchange.listed_models(list.as_bytes())?;
    Some(String::from_utf8(listed).unwrap())
}

#[test]
fn a_restricted_key_sees_only_its_models() {
    for (list, shown) in [
        (
            r#"{"object":"list","data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"},{"id":"text-x"},{}]}"#,
            Some(r#"{"object":"list","data":[{"id":"gpt-4o-mini"},{"id":"text-x"}]}"#),
        ),
        (
            r#" [{"id":"gpt-4o"},{"id":"gpt-4o-mini","n":1.50},"text-x","o1",null] "#,
            Some(r#"[{"id":"gpt-4o-mini","n":1.50},"text-x"]"#),
        ),
        ("[]", Some("[]")),
        (
            r#"{"object":"list","data":null}"#,
            Some(r#"{"object":"list","data":null}"#),
        ),
        (
            r#"{"data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"},{"id":"text-x"},{"id":"o1"}],"first_id":"gpt-4o","last_id":"o1","has_more":true}"#,
            Some(
                r#"{"data":[{"id":"gpt-4o-mini"},{"id":"text-x"}],"first_id":"gpt-4o-mini","last_id":"text-x","has_more":true}"#,
            ),
        ),
        (
            r#"{"first_id":"gpt-4o","has_more":true,"last_id":"gpt-4o","data":[{"id":"gpt-4o"}]}"#,
            Some(r#"{"first_id":null,"has_more":false,"last_id":null,"data":[]}"#),
        ),
        (
            r#"{"models":[{"name":"models/gpt-4o"},{"name":"models/text-x"}],"nextPageToken":"t"}"#,
            Some(r#"{"models":[{"name":"models/text-x"}],"nextPageToken":"t"}"#),
        ),
        (
            r#"{"data":[{"id":"gpt-4o"}],"aliases":{"a":"gpt-4o"},"all":["gpt-4o"]}"#,
            Some(r#"{"data":[]}"#),
        ),
        (
            r#"{"data":[{"id":"gpt-4o-mini","id":"gpt-4o"},{"id":7}]}"#,
            Some(r#"{"data":[]}"#),
        ),
        (r#"{"data":{"gpt-4o":{}}}"#, None),
        (r#"{"object":"list"}"#, None),
        ("null", None),
        ("<html>", None),
        ("", None),
    ] {
        assert_eq!(listed(list).as_deref(), shown, "{list}");
    }
}

#[test]
fn only_a_restricted_keys_model_list_is_held() {
    for (key, target, status, hold) in [
        ("1", "GET /v1/models", "200", false),
        ("5", "GET /v1/models", "200", true),
        ("5", "GET /v1/models", "500", false),
        ("5", "GET /v1/models/gpt-4o-mini", "200", false),
    ] {
        let authorization = format!("authorization: Bearer {{{key}}}");
        let (mut exchange, _) = send(&MemoryStore::default(), &[target, &authorization]);
        let head = [(&b":status"[..], status.as_bytes())];
        let answer = exchange.response_head(&Head::new(head.to_vec()));
        assert_eq!(answer.hold, hold, "{key} {target} {status}");
    }
}
