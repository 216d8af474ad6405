//! The requests of a batch, judged one by one as they pass by: from a file of lines, or from one document.
//!
//! A batch runs later, and nobody looks at it again: so every request in it is read now, as it would be by itself. All name
//! one model and go to one endpoint, as OpenAI demands, so that the batch has a price.

use std::fmt;

use super::enclosed::{Enclosed, Shape};
use super::error::BodyError;
use super::fields::Fields;
use super::lexer::Lexer;
use super::meter::PartCosts;
use super::references::{MAX_REFERENCES, Reference};
use crate::model::ModelId;

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFault {
    /// A request that is not well formed.
    Json,
    /// A request's parameter that cannot be judged, or a model that is none.
    Parameter,
    /// No request where one belongs, or several.
    NoBody,
    /// No address, or several.
    NoUrl,
    /// Another method than POST.
    Method,
    /// `body`, `url` or `params` in another letter case.
    LetterCase,
    /// No model.
    NoModel,
    /// Another model than the first request's.
    OtherModel,
    /// Another address than the first request's.
    OtherUrl,
    /// Other models to fall back to, or work that finishes elsewhere.
    Elsewhere,
    /// More of the provider's objects than can be looked up.
    References,
    /// No request at all.
    Empty,
    /// An address that a batch's requests may not go to.
    Endpoint,
    /// A file that was not uploaded here for a batch.
    Unjudged,
}

impl fmt::Display for BatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "it is not one JSON object",
            Self::Parameter => "a parameter of its request is invalid, or given twice",
            Self::NoBody => "it needs one request object ('body' of a line, 'params' of an element)",
            Self::NoUrl => "it needs one 'url'",
            Self::Method => "its 'method' must be POST",
            Self::LetterCase => "write 'body', 'url' and 'params' in lower case",
            Self::NoModel => "its request names no model",
            Self::OtherModel => "it names another model than the first request; a batch is of one model",
            Self::OtherUrl => "it goes to another 'url' than the first request; a batch is of one endpoint",
            Self::Elsewhere => "its request asks for other models or for work in the background",
            Self::References => "the requests up to here name more than 32 files, stores or other objects",
            Self::Empty => "there is no request in it",
            Self::Endpoint => {
                "its 'url' must be an endpoint that is open here: /v1/chat/completions, /v1/completions, \
                 /v1/embeddings, /v1/responses or /v1/moderations"
            }
            Self::Unjudged => {
                "'input_file_id' must be a file that was uploaded through this gate with purpose=batch, by a key of \
                 your team"
            }
        })
    }
}

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
        let elsewhere = fields.later.is_some() || fields.odd_background;
        if elsewhere || others.unjudged().is_some() || !others.named().is_empty() {
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

/// Reads a file of lines.
#[derive(Debug)]
pub(super) struct Lines {
    lexer: Lexer,
    enclosed: Enclosed,
    /// The number of the line under way, from 1.
    line: u64,
    /// Something other than white space stands in the line.
    begun: bool,
    fault: Option<BodyError>,
}

impl Lines {
    pub(super) fn new(costs: PartCosts) -> Self {
        Self {
            lexer: Lexer::new(),
            enclosed: Enclosed::new(Shape::Line, costs),
            line: 1,
            begun: false,
            fault: None,
        }
    }

    /// More of the file. After a fault the rest is not read.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while self.fault.is_none() && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (piece, rest) = match end.and_then(|at| bytes.split_at_checked(at)) {
                Some((piece, rest)) => (piece, rest.get(1..).unwrap_or_default()),
                None => (bytes, &[][..]),
            };
            self.begun |= !piece.trim_ascii().is_empty();
            if self.begun {
                let read = self.lexer.push(piece, &mut self.enclosed);
                self.note(read);
            }
            if end.is_some() && self.fault.is_none() {
                self.end_line();
                self.line = self.line.saturating_add(1);
            }
            bytes = rest;
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.begun) {
            let ended = self.lexer.finish();
            self.note(ended);
            if self.fault.is_none() {
                let ended = self.enclosed.end_document();
                self.note(ended.map_err(|fault| BodyError::Batch(fault, 0)));
            }
        }
        self.lexer = Lexer::new();
    }

    fn note(&mut self, result: Result<(), BodyError>) {
        if let Err(error) = result {
            self.fault = Some(at(error, self.line));
        }
    }

    /// What the file comes to.
    ///
    /// # Errors
    /// The first fault, with its line.
    pub(super) fn finish(&mut self) -> Result<&Batched, BodyError> {
        if self.fault.is_none() {
            self.end_line();
        }
        match self.fault {
            Some(fault) => Err(fault),
            None if self.enclosed.batched.requests == 0 => Err(at(empty(), self.line)),
            None => Ok(&self.enclosed.batched),
        }
    }

    /// The first fault so far.
    pub(super) fn fault(&self) -> Option<BodyError> {
        self.fault
    }
}

const fn empty() -> BodyError {
    BodyError::Batch(BatchFault::Empty, 0)
}

/// The fault of a request, with its number.
fn at(error: BodyError, number: u64) -> BodyError {
    let fault = match error {
        BodyError::Batch(fault, _) => fault,
        BodyError::InvalidJson(..) | BodyError::NotAnObject | BodyError::Empty => BatchFault::Json,
        _ => BatchFault::Parameter,
    };
    BodyError::Batch(fault, number)
}

/// Reads one document of many requests.
#[derive(Debug)]
pub(super) struct Document {
    lexer: Lexer,
    enclosed: Enclosed,
}

impl Document {
    pub(super) fn new(costs: PartCosts) -> Self {
        Self {
            lexer: Lexer::new(),
            enclosed: Enclosed::new(Shape::Document, costs),
        }
    }

    /// More of it.
    ///
    /// # Errors
    /// The first fault, with the number of its request.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let read = self.lexer.push(bytes, &mut self.enclosed);
        let number = self.enclosed.batched.requests.saturating_add(1);
        read.map_err(|error| at(error, number))
    }

    /// What it comes to.
    ///
    /// # Errors
    /// Where it is not complete, or has no request.
    pub(super) fn finish(&mut self) -> Result<&Batched, BodyError> {
        self.lexer.finish()?;
        match self.enclosed.end_document() {
            Ok(()) => Ok(&self.enclosed.batched),
            Err(_) => Err(empty()),
        }
    }

    /// What was read so far.
    pub(super) fn batched(&self) -> &Batched {
        &self.enclosed.batched
    }
}
