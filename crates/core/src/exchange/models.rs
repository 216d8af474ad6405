//! `GET /models`, cut down to what a key may use.

use serde_json::Value;

use super::admission::allows_model;
use crate::auth::Principal;
use crate::config::Policy;
use crate::model::{ModelId, ModelSet};

/// Whether the key may use less than every model.
pub(super) fn is_restricted(principal: &Principal, policy: &Policy) -> bool {
    let any = |set: &ModelSet| set.is_any();
    let by_tier = policy
        .tier(principal.tier())
        .is_none_or(|t| !any(&t.models));
    by_tier || principal.record().models.as_ref().is_some_and(|m| !any(m))
}

/// The list without the models that the key may not use: OpenAI's `data[].id`, or Gemini's
/// `models[].name`. What has no name is left out. `None` if `body` is neither.
pub(super) fn filter(body: &[u8], principal: &Principal, policy: &Policy) -> Option<Vec<u8>> {
    let mut list: Value = serde_json::from_slice(body).ok()?;
    let (field, name) = if list.get("data").is_some_and(Value::is_array) {
        ("data", "id")
    } else {
        ("models", "name")
    };
    let models = list.get_mut(field)?.as_array_mut()?;
    models.retain(|model| {
        let id = model.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = ModelId::new(id.strip_prefix("models/").unwrap_or(id));
        id.is_ok_and(|id| allows_model(principal, policy, &id))
    });
    serde_json::to_vec(&list).ok()
}
