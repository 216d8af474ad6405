//! Filters the answer to `GET /models` by what a key may use.
//!
//! Parts that are not understood are left out: entries without a name, objects and arrays beside the list. A page's
//! `first_id` and `last_id` become those of the entries that remain.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::permission::allows_model;
use crate::auth::Principal;
use crate::json::Entries;
use crate::model::ModelId;

/// Returns the list without the models that the key may not use. It reads OpenAI's and Anthropic's `data[].id`,
/// Gemini's `models[].name`, and a bare array (Together). Entries that remain keep their text; a list that is `null`
/// stays empty. `None` if `body` has none of these forms.
pub(super) fn filter(body: &[u8], principal: &Principal) -> Option<Vec<u8>> {
    let may = |model: &RawValue| id(model).is_some_and(|id| allows_model(principal, &id));
    let text = serde_json::from_slice::<&RawValue>(body).ok()?.get();
    if text.starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        return Some(list(all.into_iter().filter(|m| may(m))).into_bytes());
    }
    let Entries(members) = serde_json::from_str::<Entries<&RawValue>>(text).ok()?;
    let mut found = false;
    let mut shown: Vec<&RawValue> = Vec::new();
    let mut out: Vec<(&str, String)> = Vec::new();
    for (name, value) in &members {
        let written = value.get();
        match name.as_str() {
            "data" | "models" if written == "null" => found = true,
            "data" | "models" => {
                let all: Vec<&RawValue> = serde_json::from_str(written).ok()?;
                let kept: Vec<&RawValue> = all.into_iter().filter(|m| may(m)).collect();
                found = true;
                out.push((name, list(kept.iter().copied())));
                shown.extend(kept);
                continue;
            }
            _ if written.starts_with(['[', '{']) => continue,
            _ => {}
        }
        out.push((name, written.to_owned()));
    }
    for (name, value) in &mut out {
        let ends = match *name {
            "first_id" => shown.first(),
            "last_id" => shown.last(),
            // An empty page has no id from which the next page could begin.
            "has_more" if shown.is_empty() => {
                *value = "false".into();
                continue;
            }
            _ => continue,
        };
        *value = match ends.and_then(|model| written_id(model)) {
            Some(id) => serde_json::to_string(&id).ok()?,
            None => "null".into(),
        };
    }
    let members: Vec<String> = out
        .iter()
        .map(|(name, value)| Some(format!("{}:{value}", serde_json::to_string(name).ok()?)))
        .collect::<Option<_>>()?;
    found.then(|| format!("{{{}}}", members.join(",")).into_bytes())
}

fn list<'a>(models: impl Iterator<Item = &'a RawValue>) -> String {
    let written: Vec<&str> = models.map(RawValue::get).collect();
    format!("[{}]", written.join(","))
}

/// An entry of a list: a name, or an object with a name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Name(String),
    Model {
        id: Option<String>,
        name: Option<String>,
    },
}

fn written_id(model: &RawValue) -> Option<String> {
    match serde_json::from_str(model.get()).ok()? {
        Listed::Name(name) => Some(name),
        Listed::Model { id, name } => id.or(name),
    }
}

fn id(model: &RawValue) -> Option<ModelId> {
    let name = written_id(model)?;
    ModelId::new(name.strip_prefix("models/").unwrap_or(&name)).ok()
}
