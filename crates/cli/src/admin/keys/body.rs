//! Builds the bodies of requests field by field.

use serde_json::{Map, Value, json};

/// Sets the given fields of the object in a field. Without any, a missing object stays missing.
pub(super) fn merge<'a>(
    body: &mut Map<String, Value>,
    field: &str,
    values: impl IntoIterator<Item = (&'a str, Value)>,
) {
    for (name, value) in values {
        let object = body.entry(field).or_insert_with(|| json!({}));
        if let Some(object) = object.as_object_mut() {
            object.insert(name.into(), value);
        }
    }
}
