//! What the requests of a batch come to together.

use super::super::fault::BatchFault;
use super::super::fields::Fields;
use super::super::references::{MAX_REFERENCES, Reference};
use crate::model::ModelId;

/// What the requests read so far come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batched {
    /// How many there are.
    pub requests: u64,
    /// The model that all name.
    pub model: Option<ModelId>,
    /// Where all go, as their lines say.
    pub url: Option<String>,
    /// Tokens of all prompts, as estimated.
    pub input: u64,
    /// Tokens that answers with a cap may have.
    pub capped_output: u64,
    /// Answers without a cap.
    pub uncapped: u64,
    /// The provider's objects that they name, at most [`MAX_REFERENCES`].
    pub references: Vec<Reference>,
}

impl Batched {
    /// Adds a request that has been read.
    pub(super) fn add(&mut self, fields: &Fields) -> Result<(), BatchFault> {
        let others = &fields.nesting.found;
        let other = |model: &ModelId| fields.model.as_ref() != Some(model);
        if others.unjudged().is_some()
            || others.named().iter().any(other)
            || fields.later.is_some()
            || fields.odd_background
        {
            return Err(BatchFault::Elsewhere);
        }
        for reference in fields.references.finish().ok_or(BatchFault::References)? {
            if !self.references.contains(reference) {
                self.references.push(*reference);
            }
        }
        if self.references.len() > MAX_REFERENCES {
            return Err(BatchFault::References);
        }
        let model = fields.model.as_ref().ok_or(BatchFault::NoModel)?;
        if self.model.get_or_insert_with(|| model.clone()) != model {
            return Err(BatchFault::OtherModel);
        }
        let answers = fields.choices.saturating_mul(fields.prompts.max(1));
        match fields.cap() {
            Some(cap) => {
                let output = cap.saturating_mul(answers);
                self.capped_output = self.capped_output.saturating_add(output);
            }
            None => self.uncapped = self.uncapped.saturating_add(answers),
        }
        self.input = self.input.saturating_add(fields.meter.tokens());
        self.requests = self.requests.saturating_add(1);
        Ok(())
    }

    /// The last request goes there.
    pub(super) fn goes_to(&mut self, url: String) -> Result<(), BatchFault> {
        match &self.url {
            Some(first) if *first != url => Err(BatchFault::OtherUrl),
            Some(_) => Ok(()),
            None => {
                self.url = Some(url);
                Ok(())
            }
        }
    }
}
