//! The OpenAPI description: what the routes declare, completed to a whole document.
//!
//! Each route declares its own parameters, bodies and answers. What a document needs beyond that is added here, in one
//! place: names of operations that are unique, what every route can answer, what each group of routes is about, and
//! the tiers of this service.

use std::collections::BTreeMap;

use gmtech_core::ident::TierName;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "GMTech key service",
        description = "Keys, teams, usage and credit of the GMTech key gate. Send `Authorization: Bearer <admin token>`. \
                       Money is in nano-dollars (10⁻⁹ USD). Errors have the OpenAI shape. Lists are read page by page: \
                       give a page's `next` as `after`.",
        contact(name = "The maintainers of the GMTech key gate")
    ),
    servers((url = "/", description = "The management listener that serves this description")),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(super) struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
    }
}

/// What each group of routes is about.
const TAGS: [(&str, &str); 8] = [
    (
        "keys",
        "Keys: made, listed, changed, suspended, rotated, revoked.",
    ),
    ("teams", "Teams, their members, policies and credit."),
    (
        "tiers",
        "Tiers: the limits and models that many keys share.",
    ),
    (
        "alerts",
        "Alerts about budgets, credit and keys, and the addresses that they are posted to.",
    ),
    ("usage", "What was used and what it cost."),
    ("tokens", "Tokens of administrators and of the proxies."),
    ("people", "People who sign in on the pages."),
    ("audit", "Who changed what, and what runs."),
];

/// The whole document.
pub(super) fn complete(declared: &utoipa::openapi::OpenApi, tiers: &[TierName]) -> Value {
    let mut document = serde_json::to_value(declared).unwrap_or_default();
    let tags: Vec<_> = TAGS
        .iter()
        .map(|(name, about)| json!({"name": name, "description": about}))
        .collect();
    if let Some(whole) = document.as_object_mut() {
        whole.insert("tags".into(), tags.into());
    }
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        let items = paths.values_mut().filter_map(Value::as_object_mut);
        for operation in items.flat_map(Map::values_mut) {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(operation);
            }
        }
    }
    super::shapes::give(&mut document);
    name_tiers(&mut document, tiers);
    drop_defaults(&mut document);
    drop_unused(&mut document);
    document
}

/// Gives an operation a unique name, a description, and the answers that every route can give.
fn complete_operation(operation: &mut Map<String, Value>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    let tag = text(operation.get("tags").and_then(|t| t.get(0)));
    let name = text(operation.get("operationId"));
    operation.insert("operationId".into(), format!("{tag}_{name}").into());
    if text(operation.get("description")).is_empty() {
        let summary = text(operation.get("summary"));
        operation.insert("description".into(), summary.into());
    }
    let Some(responses) = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    let refused = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}});
    for (status, means) in [
        ("4XX", "Refused; the message says why"),
        ("5XX", "Failed; to be tried again"),
    ] {
        let response = responses.entry(status).or_insert_with(|| refused.clone());
        describe(response, means);
    }
    for response in responses.values_mut() {
        describe(response, "Done");
    }
}

fn describe(response: &mut Value, means: &str) {
    if let Some(response) = response.as_object_mut() {
        let told = response.get("description").and_then(Value::as_str);
        if told.is_none_or(str::is_empty) {
            response.insert("description".into(), means.into());
        }
    }
}

/// Says which tiers there are, wherever a property, a list's items or a parameter is called a tier.
fn name_tiers(value: &mut Value, tiers: &[TierName]) {
    let names: Vec<&str> = tiers.iter().map(TierName::as_str).collect();
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| name_tiers(item, tiers)),
        Value::Object(fields) => {
            let is_parameter = fields.get("name").is_some_and(|n| n == "tier");
            if let Some(schema) = fields.get_mut("schema").filter(|_| is_parameter) {
                restrict(schema, &names);
            }
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "tier" => restrict(field, &names),
                    "allowed_tiers" | "tiers" => {
                        if let Some(items) = field.get_mut("items") {
                            restrict(items, &names);
                        }
                    }
                    _ => {}
                }
                name_tiers(field, tiers);
            }
        }
        _ => {}
    }
}

/// Makes a schema of texts one of these texts; one that may be null may still be.
fn restrict(schema: &mut Value, names: &[&str]) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    let may_be_null = match fields.get("type") {
        Some(Value::String(kind)) if kind == "string" => false,
        Some(Value::Array(kinds)) if kinds.iter().any(|k| k == "string") => {
            kinds.iter().any(|k| k == "null")
        }
        _ => return,
    };
    let mut values: Vec<Value> = names.iter().map(|n| json!(n)).collect();
    if may_be_null {
        values.push(Value::Null);
    }
    fields.insert("enum".into(), values.into());
}

/// Drops defaults of null and of objects: they say no more than that the field may be left out, and generators of
/// clients do not read them.
fn drop_defaults(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_defaults),
        Value::Object(fields) => {
            if fields
                .get("default")
                .is_some_and(|d| d.is_null() || d.is_object())
            {
                fields.remove("default");
            }
            fields.values_mut().for_each(drop_defaults);
        }
        _ => {}
    }
}

/// Drops the schemas that nothing refers to: a list's items are written out where the list is.
fn drop_unused(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(schemas) = document
            .pointer_mut("/components/schemas")
            .and_then(Value::as_object_mut)
        else {
            return;
        };
        let used: BTreeMap<String, bool> = schemas
            .keys()
            .map(|name| {
                let reference = format!("\"#/components/schemas/{name}\"");
                (name.clone(), text.contains(&reference))
            })
            .collect();
        let before = schemas.len();
        schemas.retain(|name, _| used.get(name).copied().unwrap_or(false));
        if schemas.len() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use gmtech_core::limits::{BURSTS, IN_FLIGHT, RATES};
    use gmtech_core::usage::TokenKind;

    use super::*;

    fn document() -> Value {
        let tiers = [
            TierName::new("free").unwrap(),
            TierName::new("pro").unwrap(),
        ];
        super::super::openapi(&tiers)
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_it_answers() {
        let document = document();
        let mut names = Vec::new();
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                names.push(operation["operationId"].as_str().unwrap().to_owned());
                assert!(!operation["description"].as_str().unwrap().is_empty());
                for status in ["4XX", "5XX"] {
                    let schema = &operation["responses"][status]["content"]["application/json"];
                    assert_eq!(schema["schema"]["$ref"], "#/components/schemas/ErrorBody");
                }
                let tag = &operation["tags"][0];
                assert!(TAGS.iter().any(|(name, _)| name == tag), "{tag}");
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(count > 20);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        for name in schemas.keys() {
            assert!(text.contains(&format!("schemas/{name}\"")), "{name}");
        }
    }

    #[test]
    fn a_limit_has_the_range_that_core_holds_it_to() {
        let document = document();
        let limits = &document["components"]["schemas"]["Limits"]["properties"];
        for (name, range) in [
            ("requests_per_minute", RATES),
            ("requests_burst", BURSTS),
            ("tokens_per_minute", RATES),
            ("tokens_burst", BURSTS),
            ("max_in_flight", IN_FLIGHT),
        ] {
            let limit = &limits[name];
            let given = (&limit["minimum"], &limit["maximum"]);
            assert_eq!(
                given,
                (&json!(range.start()), &json!(range.end())),
                "{name}"
            );
        }
    }

    #[test]
    fn usage_has_a_field_for_each_kind_of_tokens() {
        let document = document();
        let counts = &document["components"]["schemas"]["TokenCounts"]["properties"];
        for kind in TokenKind::ALL {
            let field = &counts[format!("{}_tokens", kind.name())];
            assert_eq!(field["description"], kind.meaning());
        }
    }

    #[test]
    fn a_tier_is_one_of_this_service() {
        let document = document();
        let tier = &document["components"]["schemas"]["CreateKey"]["properties"]["tier"];
        assert_eq!(tier["enum"], json!(["free", "pro", null]));
        let tier = &document["components"]["schemas"]["KeyView"]["properties"]["tier"];
        assert_eq!(tier["enum"], json!(["free", "pro"]));
    }
}
