//! `POST /v1/moderations`: flags nothing, states no usage and costs nothing.

use serde_json::{Map, Value, json};

use super::required;
use crate::error::Failure;
use crate::job::{Ask, Job, Reply};

const DEFAULT_MODEL: &str = "omni-moderation-latest";

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Reads a request. The model is optional.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let inputs = match required(&body, "input")? {
        Value::Array(items) => items.len() as u64,
        _ => 1,
    };
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or(DEFAULT_MODEL);
    Ok(Ask {
        model: model.to_owned(),
        choices: inputs,
        body,
        ..Ask::default()
    })
}

/// The answer.
pub(crate) fn document(job: &Job) -> Reply {
    let each = |value: Value| -> Map<String, Value> {
        CATEGORIES
            .iter()
            .map(|name| ((*name).to_owned(), value.clone()))
            .collect()
    };
    let result = json!({
        "flagged": false,
        "categories": each(json!(false)),
        "category_scores": each(json!(0.0)),
        "category_applied_input_types": each(json!(["text"])),
    });
    let results: Vec<Value> = job.choices().map(|_| result.clone()).collect();
    Reply::Json(
        json!({"id": job.id("modr-"), "model": job.ask.model, "results": results}),
        false,
    )
}
