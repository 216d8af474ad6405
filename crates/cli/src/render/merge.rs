//! Merges an overlay into a configuration.
//!
//! Mappings merge key by key, and null removes a key (RFC 7386). Lists whose members all have a `name` merge
//! member by member, so that an overlay can change one cluster or filter; a new name is appended. Any
//! other list is replaced.

use serde_json::Value;

use super::nodes::is_named;

/// Merges `overlay` into `base`.
pub(super) fn merge(base: &mut Value, overlay: Value) {
    match (base, overlay) {
        (Value::Object(base), Value::Object(overlay)) => {
            for (key, value) in overlay {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(base), Value::Array(overlay)) if all_named(base) && all_named(&overlay) => {
            for member in overlay {
                let name = name_of(&member).unwrap_or_default().to_owned();
                match base.iter_mut().find(|m| is_named(m, &name)) {
                    Some(found) => merge(found, member),
                    None => base.push(member),
                }
            }
        }
        (
            base @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)),
            Value::Object(overlay),
        ) => {
            // Merged into an empty mapping, so that the overlay's nulls are removed here too.
            *base = Value::Object(serde_json::Map::new());
            merge(base, Value::Object(overlay));
        }
        (base, overlay) => *base = overlay,
    }
}

fn name_of(node: &Value) -> Option<&str> {
    node.get("name").and_then(Value::as_str)
}

fn all_named(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|m| name_of(m).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn overlays_merge_as_documented() {
        for (base, overlay, merged) in [
            (
                json!({"a": 1, "b": 2}),
                json!({"b": 3}),
                json!({"a": 1, "b": 3}),
            ),
            (
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": null}}),
                json!({"a": {"c": 2}}),
            ),
            (
                json!({"a": 1}),
                json!({"a": {"b": null, "c": 1}}),
                json!({"a": {"c": 1}}),
            ),
            (json!({}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({"l": [1, 2]}), json!({"l": [3]}), json!({"l": [3]})),
            (
                json!({"l": [{"name": "x", "v": 1}, {"name": "y", "v": 2}]}),
                json!({"l": [{"name": "y", "v": 3}, {"name": "z"}]}),
                json!({"l": [{"name": "x", "v": 1}, {"name": "y", "v": 3}, {"name": "z"}]}),
            ),
            (
                json!({"l": [{"name": "x"}]}),
                json!({"l": []}),
                json!({"l": []}),
            ),
            (
                json!({"l": [{"name": "x"}]}),
                json!({"l": [{"v": 1}]}),
                json!({"l": [{"v": 1}]}),
            ),
        ] {
            let mut result = base.clone();
            merge(&mut result, overlay.clone());
            assert_eq!(result, merged, "{base} + {overlay}");
        }
    }
}
