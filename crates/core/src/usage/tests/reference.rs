//! Compares the walker with a whole-document parser: counts are found in their documented places and nowhere else.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Documents with meaningful field names in right and wrong places.
fn documents() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "usage",
        "usage",
        "choices",
        "prompt_tokens",
        "completion_tokens",
        "completion_tokens",
        "message",
        "response",
        "meta",
        "é\"\\\n",
    ]);
    let leaf = prop_oneof![
        4 => (1u64..1_000_000).prop_map(Value::from),
        1 => (-5i64..0).prop_map(Value::from),
        1 => Just(json!(null)),
        1 => Just(json!("}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":\\")),
        1 => Just(json!({"prompt_tokens": 11, "completion_tokens": 12})),
    ];
    let value = leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            3 => prop::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())),
        ]
    });
    value.prop_filter("a document is an object", Value::is_object)
}

/// The largest value of a field over its documented places in a body.
fn reported(document: &Value, field: &str) -> u64 {
    let in_choices = document["choices"].as_array().into_iter().flatten();
    [
        &document["usage"][field],
        &document["response"]["usage"][field],
    ]
    .into_iter()
    .chain(in_choices.map(|choice| &choice["usage"][field]))
    .filter_map(Value::as_u64)
    .max()
    .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn counts_are_found_in_their_documented_places_only(document in documents(), pretty: bool, size in 1usize..50) {
        let text = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let (prompt, completion) = (reported(&document, "prompt_tokens"), reported(&document, "completion_tokens"));
        let (out, usage) = run(meter(Form::Json, PLAN), text.as_bytes().chunks(size), Ending::Complete);
        prop_assert_eq!(out, text.as_bytes());
        let input = if prompt > 0 { prompt } else { PLAN.prompt_estimate };
        prop_assert_eq!(usage.tokens().input(), input, "{}", text);
        // A string there is Ollama's text, which counts where no completion is reported.
        prop_assume!(!document["response"].is_string());
        if prompt + completion > 0 {
            prop_assert_eq!(usage.tokens().output(), completion, "{}", text);
        }
        prop_assert_eq!(usage.source().name() == "exact", prompt > 0, "{}", text);
    }
}
