//! The edit that asks for the usage of a stream.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn edited(path: &str, body: &str) -> (UsageEdit, String) {
    let edit = read(path, body).unwrap().usage_edit;
    (
        edit,
        String::from_utf8(apply(body.as_bytes(), edit)).unwrap(),
    )
}

#[test]
fn a_stream_is_made_to_report_its_usage() {
    for (body, expected) in [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        ),
        (
            " \n{ \"model\":\"m\",\"stream\":true}",
            " \n{\"stream_options\":{\"include_usage\":true}, \"model\":\"m\",\"stream\":true}",
        ),
        (
            r#"{"model":"m","stream":true,"stream_options": null }"#,
            r#"{"model":"m","stream":true,"stream_options": {"include_usage":true} }"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{ },"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true },"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"a":[{}]},"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"a":[{}]},"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream_options":{"a":{"include_usage":true}},"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true,"a":{"include_usage":true}},"model":"m","stream":true}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage" : false},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage" : true},"model":"m"}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage":null,"b":1},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true,"b":1},"model":"m"}"#,
        ),
    ] {
        assert_eq!(edited(CHAT, body).1, expected, "{body}");
        assert_eq!(edited("/v1/completions", body).1, expected, "{body}");
    }
}

#[test]
fn a_body_that_needs_no_edit_gets_none() {
    for (path, body) in [
        (CHAT, r#"{"model":"m"}"#),
        (CHAT, r#"{"model":"m","stream":false}"#),
        (CHAT, r#"{"model":"m","stream":null,"stream_options":null}"#),
        (
            CHAT,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        ("/v1/responses", r#"{"model":"m","stream":true}"#),
        ("/v1/responses", "{}"),
        ("/v1/messages", r#"{"model":"m","stream":true}"#),
        ("/v1beta/models/g:streamGenerateContent", "{}"),
    ] {
        let (edit, after) = edited(path, body);
        assert_eq!(
            (edit, after.as_str()),
            (UsageEdit::None, body),
            "{path} {body}"
        );
    }
}

#[test]
fn stream_options_have_their_types() {
    for (options, expected) in [
        (r#""x""#, Err(BodyError::WrongType(Param::StreamOptions))),
        ("[]", Err(BodyError::WrongType(Param::StreamOptions))),
        ("true", Err(BodyError::WrongType(Param::StreamOptions))),
        (
            r#"{"include_usage":1}"#,
            Err(BodyError::WrongType(Param::IncludeUsage)),
        ),
        (
            r#"{"include_usage":"true"}"#,
            Err(BodyError::WrongType(Param::IncludeUsage)),
        ),
        (r#"{"include_usage":true}"#, Ok(Some(true))),
        (r#"{"include_usage":false}"#, Ok(Some(false))),
        (r#"{"include_usage":null}"#, Ok(None)),
        ("null", Ok(None)),
    ] {
        let body = format!(r#"{{"model":"m","stream":true,"stream_options":{options}}}"#);
        assert_eq!(chat(&body).map(|f| f.include_usage), expected, "{body}");
    }
}

#[test]
fn the_open_brace_is_known_after_the_push_that_holds_it() {
    let endpoint = Endpoint::new(b"POST", CHAT.as_bytes()).unwrap();
    let mut reader = BodyReader::new(endpoint, None, None, PartCosts::default()).unwrap();
    for (piece, at) in [(" \r", None), ("\n{", Some(4)), (r#""a":{"b":{}"#, Some(4))] {
        reader.push(piece.as_bytes()).unwrap();
        assert_eq!(reader.open_brace(), at, "{piece:?}");
    }
}

#[test]
fn an_edit_of_another_body_changes_nothing() {
    let edit = UsageEdit::Splice {
        offset: 3,
        remove: 4,
        insert: b"true",
    };
    for body in [&b""[..], b"{}", b"{\"a\":1"] {
        let applied = apply(body, edit);
        assert!(body.len() >= 7 || applied == body, "{body:?}");
    }
}

/// `stream_options` as a client may send it, often absent.
fn options() -> impl Strategy<Value = Option<Value>> {
    let usage = prop_oneof![Just(json!(true)), Just(json!(false)), Just(Value::Null)];
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(json!({}))),
        Just(Some(json!({"a": {"include_usage": false}}))),
        usage
            .clone()
            .prop_map(|u| Some(json!({"include_usage": u}))),
        usage.prop_map(|u| Some(json!({"a": [1], "include_usage": u, "z": "}"}))),
    ]
}

proptest! {
    #[test]
    fn the_edit_adds_the_option_and_nothing_else(
        options in options(),
        extra in prop::collection::btree_map("[a-z]{1,3}_", super::bodies::json(), 0..4),
        pretty: bool,
    ) {
        let mut body = json!({"model": "m", "stream": true});
        let map = body.as_object_mut().unwrap();
        map.extend(extra);
        if let Some(options) = options {
            map.insert("stream_options".into(), options);
        }
        let text = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let edit = chat(&text).unwrap().usage_edit;
        let after = apply(&text, edit);

        let mut expected = body;
        match expected.get_mut("stream_options") {
            Some(Value::Object(options)) => { options.insert("include_usage".into(), json!(true)); }
            _ => expected["stream_options"] = json!({"include_usage": true}),
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&after).unwrap(), expected);

        let (offset, remove, insert) = edit.as_splice();
        let (offset, remove) = (usize::try_from(offset).unwrap(), usize::try_from(remove).unwrap());
        prop_assert_eq!(&after[..offset], &text[..offset]);
        prop_assert_eq!(&after[offset + insert.len()..], &text[offset + remove..]);
        // The edited body needs no edit.
        prop_assert_eq!(chat(&after).unwrap().usage_edit, UsageEdit::None);
    }
}
