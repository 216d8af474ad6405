//! The models that a body names beside its own, gathered as it passes by. Where they can stand is said in
//! [`super::nested`].

use super::lexer::{Begin, MAX_DEPTH};
use super::nested::{Names, Zone};
use crate::json::Bounded;
use crate::model::{MAX_MODEL_LEN, ModelId};

/// More models than any request names; beyond them they cannot all be judged.
const MAX_MODELS: usize = 8;

/// What was found beside the model itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherModels {
    named: Vec<ModelId>,
    unjudged: Option<&'static str>,
}

impl OtherModels {
    /// Nothing found.
    pub(super) const fn none() -> Self {
        Self {
            named: Vec::new(),
            unjudged: None,
        }
    }

    /// The other models that the body names, each once.
    #[must_use]
    pub fn named(&self) -> &[ModelId] {
        &self.named
    }

    /// The parameter that may bring in a model which cannot be judged.
    #[must_use]
    pub fn unjudged(&self) -> Option<&'static str> {
        self.unjudged
    }

    /// A parameter of this name cannot be judged.
    pub(super) fn cannot_judge(&mut self, parameter: &'static str) {
        self.unjudged.get_or_insert(parameter);
    }

    /// A model is named, in bytes that were perhaps too many to be held.
    pub(super) fn name(&mut self, text: Option<&[u8]>) {
        let text = text.and_then(|t| std::str::from_utf8(t).ok());
        match text.map(ModelId::new) {
            // An empty name is how some clients leave a parameter out.
            _ if text == Some("") => {}
            Some(Ok(model)) if self.named.contains(&model) => {}
            Some(Ok(model)) if self.named.len() < MAX_MODELS => self.named.push(model),
            _ => self.cannot_judge("model"),
        }
    }
}

/// Follows a JSON body from key to key. `depth` is the number of open containers.
#[derive(Debug)]
pub(super) struct Nesting {
    pub(super) found: OtherModels,
    /// For each open container, what its members are.
    zones: [Zone; MAX_DEPTH],
    /// The zone under the key read last, or of the array around.
    zone: Zone,
    /// What the key read last names.
    names: Option<Names>,
    /// The present string, if it names a model.
    name: Option<Bounded<MAX_MODEL_LEN>>,
}

impl Nesting {
    pub(super) const fn new() -> Self {
        Self {
            found: OtherModels::none(),
            zones: [Zone::Control; MAX_DEPTH],
            zone: Zone::Control,
            names: None,
            name: None,
        }
    }

    /// What the members of the innermost container are.
    fn around(&self, depth: usize) -> Zone {
        let innermost = depth.checked_sub(1).and_then(|i| self.zones.get(i));
        innermost.copied().unwrap_or(Zone::Control)
    }

    /// A key is complete; `own` if it is the one that names the request's own model.
    pub(super) fn key(&mut self, depth: usize, key: &[u8], own: bool) {
        let around = self.around(depth);
        self.zone = around.inside(key);
        self.names = around.names(key).filter(|_| !own);
    }

    /// A string, array or object begins.
    pub(super) fn begin(&mut self, depth: usize, what: Begin) {
        match (self.names.take(), what) {
            (Some(Names::Model), Begin::String) => self.name = Some(Bounded::new()),
            (Some(Names::Model), Begin::Array) => self.found.cannot_judge("model"),
            (Some(Names::Choice(parameter)), _)
            | (Some(Names::Stored(parameter)), Begin::Object) => {
                self.found.cannot_judge(parameter);
            }
            _ => {}
        }
        if matches!(what, Begin::Object | Begin::Array) {
            // Items come in arrays; one object in their place is a parameter.
            let alone = what == Begin::Object && self.around(depth) != Zone::Items;
            if self.zone == Zone::Items && alone {
                self.zone = Zone::Control;
            }
            if let Some(slot) = self.zones.get_mut(depth) {
                *slot = self.zone;
            }
        }
    }

    /// More of a string's text.
    pub(super) fn text(&mut self, piece: &str) {
        if let Some(name) = &mut self.name {
            name.push(piece.as_bytes());
        }
    }

    /// A string is complete.
    pub(super) fn end_text(&mut self) {
        if let Some(name) = self.name.take() {
            self.found.name(name.whole());
        }
    }

    /// A number, boolean or null: it names nothing.
    pub(super) fn scalar(&mut self) {
        self.names = None;
    }

    /// The innermost of `depth` containers ends.
    pub(super) fn end(&mut self, depth: usize) {
        self.zone = self.around(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_held_cannot_be_judged() {
        let mut models = OtherModels::default();
        models.name(Some(b""));
        for n in (0..MAX_MODELS).chain(0..2) {
            models.name(Some(format!("m{n}").as_bytes()));
        }
        assert_eq!(
            (models.named().len(), models.unjudged()),
            (MAX_MODELS, None)
        );
        models.name(Some(b"one more"));
        assert_eq!(models.unjudged(), Some("model"));
        for text in [None, Some(&b"two words"[..]), Some(b"\xff")] {
            let mut models = OtherModels::default();
            models.name(text);
            assert_eq!(models.unjudged(), Some("model"));
        }
    }
}
