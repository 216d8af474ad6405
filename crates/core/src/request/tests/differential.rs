//! Compares the reader with serde_json: the same texts are JSON, and have the same values.

use proptest::prelude::*;
use proptest::sample::Index;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::bodies::json;
use super::*;

/// Whether `body` is a JSON object to serde_json. Ignored values are checked only for their grammar, so
/// that the points where the reader differs on purpose (surrogates, large numbers) are judged alike.
fn is_json_object(body: &[u8]) -> bool {
    let object = body.trim_ascii_start().first() == Some(&b'{');
    let text = std::str::from_utf8(body);
    object && text.is_ok_and(|t| serde_json::from_str::<IgnoredAny>(t).is_ok())
}

/// Whether the reader accepts `body` as a JSON object; `None` if it stopped early for another reason.
fn accepts(body: &[u8]) -> Option<bool> {
    match read("/v1/responses", body) {
        Ok(facts) => Some(facts.body_len > 0),
        Err(BodyError::InvalidJson(..) | BodyError::NotAnObject | BodyError::Empty) => Some(false),
        Err(_) => None,
    }
}

/// One change to a text.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let telling =
        b"{}[]\",:\\u0129eE+-. \n\t\0tfnr/dDaA\x7f\x80\xbf\xc3\xe2\xed\xa0\xf0\xf4\xff".to_vec();
    let byte = prop_oneof![prop::sample::select(telling), any::<u8>()];
    prop_oneof![
        3 => (any::<Index>(), byte.clone()).prop_map(|(i, b)| Change::Put(i, b)),
        3 => (any::<Index>(), byte).prop_map(|(i, b)| Change::Insert(i, b)),
        3 => any::<Index>().prop_map(Change::Remove),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(i, j)| Change::Swap(i, j)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

fn apply_change(text: &mut Vec<u8>, change: &Change) {
    if text.is_empty() {
        return;
    }
    match change {
        Change::Put(i, byte) => {
            let i = i.index(text.len());
            text[i] = *byte;
        }
        Change::Insert(i, byte) => text.insert(i.index(text.len() + 1), *byte),
        Change::Remove(i) => drop(text.remove(i.index(text.len()))),
        Change::Swap(i, j) => {
            let (i, j) = (i.index(text.len()), j.index(text.len()));
            text.swap(i, j);
        }
        Change::Cut(i) => text.truncate(i.index(text.len())),
    }
}

/// The text of a random object, changed in up to three places.
pub(super) fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let escaped = prop::sample::select(vec![
        r#""\u00e9\ud83e\udd80""#,
        r#""\ud800x\udc00""#,
        "1e400",
        "-0.0e-7",
    ]);
    let object = prop::collection::btree_map("[a-zé\"]{0,4}_", json(), 0..5);
    (
        object,
        escaped,
        any::<bool>(),
        prop::collection::vec(change(), 0..4),
    )
        .prop_map(|(object, escaped, pretty, changes)| {
            let object = Value::Object(object.into_iter().collect());
            let text = if pretty {
                serde_json::to_vec_pretty(&object)
            } else {
                serde_json::to_vec(&object)
            };
            let mut text = text.unwrap();
            if !object.as_object().unwrap().is_empty() {
                text.truncate(text.len() - 1);
                text.extend_from_slice(format!(",\"raw_\":{escaped}}}").as_bytes());
            }
            for change in &changes {
                apply_change(&mut text, change);
            }
            text
        })
}

/// Valid and invalid values of a parameter.
fn parameter() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0u64..9_000_000_000).prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        prop::sample::select(vec![
            json!(2.0),
            json!(1.5),
            json!(1e20),
            json!("7"),
            json!([]),
            json!({})
        ]),
        "[a-z0-9. é-]{0,8}".prop_map(Value::from),
    ]
}

/// The count of serde_json's value of a parameter, by the reader's documented rules.
fn count(body: &Map<String, Value>, name: &str) -> Result<Option<u64>, ()> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_f64().ok_or(())?;
            let whole = number >= 0.0 && number.fract() == 0.0;
            // Below 2^53 the conversion is exact, and above the cap it does not matter.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let number = number as u64;
            if whole {
                Ok(Some(number.min(MAX_COUNT)))
            } else {
                Err(())
            }
        }
    }
}

/// The same for a cap: a negative value means no cap, whatever the other caps are.
fn cap(body: &Map<String, Value>, names: &[&str]) -> Result<Option<u64>, ()> {
    let negative = |name: &str| {
        let value = body.get(name).and_then(Value::as_f64);
        value.is_some_and(|number| number < 0.0)
    };
    let mut caps = Vec::new();
    for name in names.iter().filter(|name| !negative(name)) {
        caps.push(count(body, name)?);
    }
    let uncapped = names.iter().any(|name| negative(name));
    Ok(caps.into_iter().max().flatten().filter(|_| !uncapped))
}

/// Model, stream, cap and choices as a reader of the whole value gets them.
fn reference(body: &Map<String, Value>) -> Result<(String, bool, Option<u64>, u64), ()> {
    let model = body.get("model").and_then(Value::as_str).ok_or(())?;
    crate::model::ModelId::new(model).map_err(drop)?;
    let stream = match body.get("stream") {
        None | Some(Value::Null) => false,
        Some(value) => value.as_bool().ok_or(())?,
    };
    let choices = [count(body, "n")?, count(body, "best_of")?, Some(1)];
    let names = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    let cap = cap(body, &names)?;
    Ok((
        model.into(),
        stream,
        cap,
        choices.into_iter().flatten().max().unwrap_or(1),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_same_texts_are_json(body in nearly_json()) {
        if let Some(accepted) = accepts(&body) {
            prop_assert_eq!(accepted, is_json_object(&body), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn the_same_values_are_read(
        model in prop_oneof![4 => "[a-z0-9./:-]{1,12}".prop_map(Value::from), 1 => parameter()],
        parameters in prop::collection::btree_map(
            prop::sample::select(vec![
                "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of",
            ]),
            parameter(),
            0..3,
        ),
        extra in prop::collection::btree_map("[a-z]{1,3}_", json(), 0..3),
        pretty: bool,
    ) {
        let mut body = Map::new();
        body.insert("model".into(), model);
        body.extend(parameters.into_iter().map(|(k, v)| (k.to_owned(), v)));
        // Parameters inside a message or a tool have no effect.
        body.insert("messages".into(), json!([{"model": "x", "stream": 1, "n": -1, "max_tokens": {}}]));
        body.extend(extra);
        let text = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let got = chat(&text).map(|f| (f.model.unwrap().to_string(), f.stream, f.declared_cap, f.choices));
        prop_assert_eq!(got.map_err(drop), reference(&body));
    }
}
