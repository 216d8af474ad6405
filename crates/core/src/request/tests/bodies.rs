//! Bodies to test with: samples that SDKs send, and random JSON.

use proptest::prelude::*;
use serde_json::Value;

/// Paths and bodies, each with a part that could break at a split.
pub(super) const SAMPLES: &[(&str, &str)] = &[
    (
        "/v1/chat/completions",
        r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"caf\u00e9 \ud83e\udd80 日本 🦀\n\"q\""}],"model":"gpt-4o","stream":true,"stream_options":{"include_usage":false},"max_tokens":1e2,"n":2}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"high"}},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}],"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"a_property_with_a_name_that_is_longer_than_any_key_that_the_gate_knows":{"type":"string"}}}}}],"stream":true}"#,
    ),
    (
        "/v1/completions",
        r#"{"model":"m","prompt":["one","two\ud800",[1,2,3]],"best_of":3,"stream_options":null,"stream":true}"#,
    ),
    (
        "/v1/embeddings",
        r#"{"model":"e","input":[[1,22,333],[4]]}"#,
    ),
    (
        "/v1/messages",
        r#"{"model":"claude","max_tokens":1024,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGVsbG8="}},{"type":"document","source":{"type":"text","data":"plain words here é"}}]}]}"#,
    ),
    (
        "/v1beta/models/g:streamGenerateContent",
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"aGVsbG8="}}]}],"generationConfig":{"maxOutputTokens":50,"candidateCount":2}}"#,
    ),
    ("/v1/responses", "  {}  "),
    (
        "/v1/chat/completions",
        r#"{"model":"m","x":[-0.5e+10,true,false,null,{},[],"",{"":""}]}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"m","x":"\uD83E\n\ud83e\ud83e\udd80\udd80"}"#,
    ),
    (
        "/v1/chat/completions",
        "{\"model\":\"m\",\"x\":\"ok\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\"}",
    ),
];

/// Bodies that are refused, as bytes.
pub(super) const REFUSED: &[&[u8]] = &[
    b"",
    b"   ",
    b"{\"model\":\"m\",\"x\":\"\xe2\x82\"}",
    b"{\"model\":\"m\",\"x\":\"\xe2\x28\xa1\"}",
    b"{\"model\":\"m\",\"x\":\"\xf0\x9f\xa6\"}",
    b"{\"model\":\"m\",\"x\":\"\xed\xa0\x80\"}",
    b"{\"model\":\"m\",\"x\":\"\\u12",
    b"{\"model\":\"m\",\"x\":-}",
    b"{\"model\":\"m\",\"x\":tru}",
    b"{\"model\":\"m\"} {",
    b"{\"model\":\"m\",\"model\":\"n\"}",
    b"{\"model\":\"a b\"}",
    b"{\"n\":-1}",
    b"[",
];

/// Any JSON value, some levels deep.
pub(super) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Eighths are exact, so decoders cannot differ by rounding.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "[a-z \"\\\\/\n\t\u{0}\u{7f}é日🦀]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z_\"é]{0,6}", inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}
