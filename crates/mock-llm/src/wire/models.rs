//! `GET /v1/models` and `/v1/models/{id}`.

use serde_json::{Value, json};

use crate::error::Failure;
use crate::job::{CREATED, Reply};

fn entry(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "mock"})
}

/// All models.
pub(crate) fn list(models: &[String]) -> Reply {
    let data: Vec<Value> = models.iter().map(|id| entry(id)).collect();
    Reply::Json(json!({"object": "list", "data": data}), false)
}

/// One model.
///
/// # Errors
/// 404 if it is not listed.
pub(crate) fn one(models: &[String], id: &str) -> Result<Reply, Failure> {
    if models.iter().any(|model| model == id) {
        Ok(Reply::Json(entry(id), false))
    } else {
        Err(Failure::unknown_model(id))
    }
}
