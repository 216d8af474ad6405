//! Patterns and bounds of fields in the API description, by the field's name.
//!
//! A field means the same in a path, a query and a body, so it has one shape. The rules themselves
//! are held by [`crate::ops::fields`] and the types of core; what is described here is tested against them by a
//! fuzzer.

use gmtech_core::address::MAX_NETWORKS;
use gmtech_core::decision::Decision;
use gmtech_core::limits::{BURSTS, IN_FLIGHT, RATES};
use gmtech_core::request::EndpointGroup;
use serde_json::{Map, Value, json};

use super::organization::{COMPLETIONS_GROUPS, COSTS_GROUPS};
use crate::store::{Dimension, Every};
use crate::webhook::MAX_URL;

/// Letters, digits and a few marks: ids of keys, teams and tokens.
const ID: &str = "^[A-Za-z0-9_.-]{1,64}$";

/// Printable, and not white space alone.
const NAME: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// What a text may hold that is shown and never read by a program.
const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

const EMAIL: &str = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$";
const MODEL: &str = "^[!-)+-~]{1,128}$";
const PATTERN: &str = r"^([!-)+-~]{1,127}\*?|\*)$";
const TAG: &str = "^[A-Za-z0-9_.:/-]{1,64}$";
const NETWORK: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|[0-9a-f:]{2,39}|[0-9a-f.:]{2,39}/[0-9]{1,3})$";
const DAY_OR_INSTANT: &str = r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:00(Z|[+-](0[0-9]|1[0-2]):[0-5][0-9]))?$";

fn groups() -> Vec<&'static str> {
    EndpointGroup::all().map(EndpointGroup::name).collect()
}

fn spans() -> Vec<&'static str> {
    Every::NAMES.into_iter().chain(["none"]).collect()
}

/// The shape of a field with this name, in addition to what its route declares.
fn shape(name: &str) -> Option<Value> {
    Some(match name {
        "id" | "team" | "key" | "subject" => json!({"pattern": ID}),
        "request_id" => json!({"pattern": "^[!-~]{1,128}$"}),
        "name" | "search" => json!({"pattern": NAME, "minLength": 1, "maxLength": 100}),
        "note" => json!({"pattern": PRINTABLE, "maxLength": 100}),
        "owner" | "email" => json!({"pattern": EMAIL, "maxLength": 254}),
        "model" => json!({"pattern": MODEL}),
        "address" => json!({"pattern": r"^[^\x00]*$"}),
        "url" => json!({"pattern": r"^https?://\S+$", "maxLength": MAX_URL}),
        "tag" => json!({"pattern": TAG}),
        "endpoint" => json!({"enum": groups()}),
        // Not an enum: a filter that is newer than the service may name one that is not known here.
        "decision" => json!({"pattern": "^[!-~]{1,64}$", "examples": Decision::NAMES.as_slice()}),
        "from" | "to" => json!({"pattern": DAY_OR_INSTANT}),
        "every" => json!({"enum": spans()}),
        "format" => json!({"enum": ["json", "csv", "jsonl"]}),
        "after" => json!({"pattern": "^[!-~]{1,2048}$"}),
        _ => return None,
    })
}

/// The shape of a number with this name: the range that core holds it to.
fn shape_of_number(name: &str) -> Option<Value> {
    let range = match name {
        "requests_per_minute" | "tokens_per_minute" => RATES,
        "requests_burst" | "tokens_burst" => BURSTS,
        "max_in_flight" => IN_FLIGHT,
        _ => return None,
    };
    Some(json!({"minimum": range.start(), "maximum": range.end()}))
}

/// The shape of each item of a list with this name.
fn shape_of_items(name: &str) -> Option<Value> {
    Some(match name {
        "models" => json!({"pattern": PATTERN}),
        "tags" => json!({"pattern": TAG}),
        "endpoints" => json!({"enum": groups()}),
        "allowed_ips" => json!({"pattern": NETWORK}),
        "by" => json!({"enum": Dimension::NAMES}),
        "project_ids" | "api_key_ids" => json!({"pattern": ID}),
        "user_ids" => json!({"pattern": EMAIL, "maxLength": 254}),
        _ => return None,
    })
}

/// The request bodies and their parts.
const ASKED: [&str; 15] = [
    "AddAlertAddress",
    "Amounts",
    "Budgets",
    "CreateKey",
    "CreateKeys",
    "CreateTeam",
    "CreateToken",
    "Credit",
    "Limits",
    "NewMember",
    "Policy",
    "Rotate",
    "TeamPatch",
    "UpdateAlertAddress",
    "UpdateKey",
];

/// Numbers of 32 bits without a sign are described as `int32`, which holds half of them: where nothing bounds one within that,
/// it is an `int64`.
fn widen(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            let is_bounded = fields
                .get("maximum")
                .and_then(Value::as_i64)
                .is_some_and(|most| i32::try_from(most).is_ok());
            if fields.get("format").is_some_and(|f| f == "int32") && !is_bounded {
                fields.insert("format".into(), "int64".into());
            }
            fields.values_mut().for_each(widen);
        }
        Value::Array(parts) => parts.iter_mut().for_each(widen),
        _ => {}
    }
}

/// Gives each field of the document its shape. Answers are left as they are, but for the width of numbers: they are the service's
/// own.
pub(super) fn give(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas");
    for (schema, fields) in schemas.and_then(Value::as_object_mut).into_iter().flatten() {
        if !ASKED.contains(&schema.as_str()) {
            continue;
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("additionalProperties".into(), false.into());
        }
        let Some(properties) = fields.pointer_mut("/properties") else {
            continue;
        };
        for (name, property) in properties.as_object_mut().into_iter().flatten() {
            give_one(name, property);
        }
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, operations) in paths.into_iter().flatten() {
        let operations = operations.as_object_mut().into_iter();
        for operation in operations.flat_map(Map::values_mut) {
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                let name = parameter.get("name").and_then(Value::as_str).unwrap_or("");
                let name = name.to_owned();
                if let Some(schema) = parameter.get_mut("schema") {
                    give_one(&name, schema);
                    if path.starts_with("/v1/organization/")
                        && let Some(items) = items_of_organization(path, &name)
                    {
                        give_items(schema, items);
                    }
                    if path == "/admin/v1/usage" && MAY_BE_EMPTY.contains(&name.as_str()) {
                        let_be_empty(schema);
                    }
                }
            }
        }
    }
    widen(document);
}

/// What some usage has none of: an empty filter asks for that.
const MAY_BE_EMPTY: [&str; 4] = ["model", "endpoint", "owner", "tag"];

fn let_be_empty(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::String(pattern)) = fields.get_mut("pattern") {
        *pattern = format!("^$|{pattern}");
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.push("".into());
    }
}

fn give_one(name: &str, schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if name == "metadata" {
        fields.insert("maxProperties".into(), json!(16));
        fields.insert(
            "propertyNames".into(),
            json!({"pattern": NAME, "maxLength": 64}),
        );
        let text = json!({"type": "string", "pattern": PRINTABLE, "maxLength": 512});
        fields.insert("additionalProperties".into(), text);
        return;
    }
    let is = |kind: &str| match fields.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        _ => false,
    };
    if is("string") {
        let may_be_null = is("null");
        for (field, value) in object(shape(name)) {
            fields.insert(field.clone(), with_null(&field, value, may_be_null));
        }
    } else if is("integer") {
        fields.extend(object(shape_of_number(name)));
    } else if is("array") {
        if name == "allowed_ips" {
            fields.insert("maxItems".into(), json!(MAX_NETWORKS));
        }
        if let Some(shape) = shape_of_items(name) {
            give_items(schema, shape);
        }
    }
}

fn give_items(schema: &mut Value, shape: Value) {
    let mut items = json!({"type": "string"});
    if let (Some(items), Value::Object(shape)) = (items.as_object_mut(), shape) {
        items.extend(shape);
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("items".into(), items);
    }
}

/// The shape of each item of a list in OpenAI's usage API, where a name means something else than in ours.
fn items_of_organization(path: &str, name: &str) -> Option<Value> {
    Some(match (name, path) {
        ("group_by", "/v1/organization/costs") => json!({"enum": COSTS_GROUPS}),
        ("group_by", _) => json!({"enum": COMPLETIONS_GROUPS}),
        ("models" | "line_items", _) => json!({"pattern": MODEL}),
        _ => return None,
    })
}

fn object(shape: Option<Value>) -> Map<String, Value> {
    match shape {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A list of values for a field that may be null has null in it.
fn with_null(field: &str, value: Value, may_be_null: bool) -> Value {
    match value {
        Value::Array(mut values) if field == "enum" && may_be_null => {
            values.push(Value::Null);
            Value::Array(values)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_wide_as_what_it_may_be() {
        for (of, format) in [
            (json!({"format": "int32", "minimum": 0}), "int64"),
            (json!({"format": "int32", "maximum": u32::MAX}), "int64"),
            (json!({"format": "int32", "maximum": i32::MAX}), "int32"),
            (json!({"format": "int64"}), "int64"),
        ] {
            let mut document = json!({"fields": [of]});
            widen(&mut document);
            assert_eq!(document["fields"][0]["format"], format, "{of}");
        }
    }
}
