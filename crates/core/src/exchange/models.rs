//! `GET /models`, cut down to what a key may use.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::admission::allows_model;
use crate::auth::Principal;
use crate::config::Policy;
use crate::entries::Entries;
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
/// `models[].name`. What has no name is left out, all else stays as it was written. `None` if `body` is
/// neither.
pub(super) fn filter(body: &[u8], principal: &Principal, policy: &Policy) -> Option<Vec<u8>> {
    let list: Entries<&RawValue> = serde_json::from_slice(body).ok()?;
    let mut out = b"{".to_vec();
    let mut found = false;
    for (name, value) in &list.0 {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(serde_json::to_string(name).ok()?.as_bytes());
        out.push(b':');
        let models: Option<Vec<&RawValue>> = match name.as_str() {
            "data" | "models" => serde_json::from_str(value.get()).ok(),
            _ => None,
        };
        let Some(mut models) = models else {
            out.extend_from_slice(value.get().as_bytes());
            continue;
        };
        found = true;
        models.retain(|model| id(model).is_some_and(|id| allows_model(principal, policy, &id)));
        let kept: Vec<&str> = models.iter().map(|m| m.get()).collect();
        out.push(b'[');
        out.extend_from_slice(kept.join(",").as_bytes());
        out.push(b']');
    }
    out.push(b'}');
    found.then_some(out)
}

/// What names a model in either list.
#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

fn id(model: &RawValue) -> Option<ModelId> {
    let named: Named = serde_json::from_str(model.get()).ok()?;
    let name = named.id.or(named.name)?;
    ModelId::new(name.strip_prefix("models/").unwrap_or(&name)).ok()
}
