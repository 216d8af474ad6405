//! One body from its first byte to its facts.

use super::batch::{Batched, Document};
use super::edit::UsageEdit;
use super::endpoint::Endpoint;
use super::error::{BodyError, Param};
use super::fields::Fields;
use super::form::Form;
use super::kind::EndpointKind;
use super::lexer::Lexer;
use super::media::{self, Media};
use super::meter::{Meter, PartCosts, PartCounts};
use super::multipart::Multipart;
use super::others::OtherModels;
use super::references::Reference;
use crate::model::ModelId;
use crate::objects::{Kind, path::Place};

/// What one push has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to act upon yet, or nothing more.
    Reading,
    /// With this push the model became known ([`BodyReader::model`]): a forbidden one can be refused now. The
    /// rest of the body may still turn out to be invalid.
    ModelKnown,
}

/// What a request asks for, as far as the gate cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// The model, of the path or of the body; `None` only where it may be left out.
    pub model: Option<ModelId>,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// `stream_options.include_usage` as the client sent it.
    pub include_usage: Option<bool>,
    /// The largest of all caps on the output, in tokens a choice; at most [`super::MAX_COUNT`].
    pub declared_cap: Option<u64>,
    /// Answers to each prompt, at least 1: the largest of `n`, `best_of` and `candidateCount`; at most
    /// [`super::MAX_COUNT`].
    pub choices: u64,
    /// Prompts in one completions request, at least 1. The output may be `cap × choices × prompts`: multiply with
    /// saturation.
    pub prompts: u64,
    /// The estimated size of the prompt, in tokens, with the parts counted at a flat cost.
    pub prompt_tokens: u64,
    /// The parts counted at a flat cost.
    pub parts: PartCounts,
    /// Models that are named beside the model, and what could bring in one.
    pub others: OtherModels,
    /// The body's length in bytes.
    pub body_len: u64,
    /// How to have the stream report its usage.
    pub usage_edit: UsageEdit,
    /// The parameter that asks for work which finishes after its answer.
    pub later: Option<Param>,
    /// `store` as the client sent it.
    pub store: Option<bool>,
    /// The provider's objects that the body names, at most [`super::MAX_REFERENCES`].
    pub references: Vec<Reference>,
    /// The requests of a batch, or of a file that is for one.
    pub batched: Option<Batched>,
}

#[derive(Debug)]
enum Body {
    Json(Box<(Lexer, Fields)>),
    Form(Box<Multipart>),
    /// Anthropic's batches.
    Batch(Box<Document>),
    Opaque(Meter),
}

/// Reads one body, pushed in pieces of any size. It holds about two KiB whatever the body's length.
#[derive(Debug)]
pub struct BodyReader {
    endpoint: Endpoint,
    body: Body,
    len: u64,
    model_told: bool,
    failed: Option<BodyError>,
}

impl BodyReader {
    /// A reader for a body that comes with these headers.
    ///
    /// # Errors
    /// [`BodyError`] where the headers alone rule the body out; 415 for compressed bodies.
    pub fn new(
        endpoint: Endpoint,
        content_type: Option<&[u8]>,
        content_encoding: Option<&[u8]>,
        costs: PartCosts,
    ) -> Result<Self, BodyError> {
        let body = match media::judge(endpoint.body(), content_type, content_encoding)? {
            Media::Json if endpoint.objects() == Some(&Place::MakesBatch) => {
                Body::Batch(Box::new(Document::new(costs)))
            }
            Media::Json => Body::Json(Box::new((Lexer::new(), Fields::new(costs)))),
            Media::Form(boundary) => {
                let form = match endpoint.objects() {
                    Some(Place::Makes(Kind::File)) => Form::of_file(costs),
                    _ => Form::new(endpoint.kind(), costs),
                };
                Body::Form(Box::new(Multipart::new(boundary, form)))
            }
            Media::Opaque => Body::Opaque(Meter::new(costs)),
        };
        Ok(Self {
            endpoint,
            body,
            len: 0,
            model_told: false,
            failed: None,
        })
    }

    /// Reads the next bytes of the body: each byte once, in order.
    ///
    /// # Errors
    /// [`BodyError`]; every later call repeats it.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Progress, BodyError> {
        let result = self.try_push(chunk);
        self.failed = result.err();
        result
    }

    fn try_push(&mut self, chunk: &[u8]) -> Result<Progress, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.len = self.len.saturating_add(chunk.len() as u64);
        match &mut self.body {
            Body::Json(json) => json.0.push(chunk, &mut json.1)?,
            Body::Form(form) => form.push(chunk)?,
            Body::Batch(document) => document.push(chunk)?,
            // Unread, it would be neither judged nor charged.
            Body::Opaque(_) if !chunk.is_empty() && !self.endpoint.takes_opaque_bodies() => {
                return Err(BodyError::UnsupportedMediaType);
            }
            Body::Opaque(_) => {}
        }
        if self.model_told {
            return Ok(Progress::Reading);
        }
        self.model_told = self.model().is_some();
        Ok(if self.model_told {
            Progress::ModelKnown
        } else {
            Progress::Reading
        })
    }

    /// The model, as soon as the path or the body has named it.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        self.endpoint.path_model().or(self.body_model())
    }

    /// The offset just past the root object's `{`, as soon as it has passed: at most
    /// [`super::MAX_LEADING_SPACE`] + 1. Nothing for a body that is not JSON.
    #[must_use]
    pub fn open_brace(&self) -> Option<usize> {
        match &self.body {
            Body::Json(json) => json.1.open_brace.and_then(|at| usize::try_from(at).ok()),
            Body::Form(_) | Body::Batch(_) | Body::Opaque(_) => None,
        }
    }

    /// The endpoint that the reader was made for.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn body_model(&self) -> Option<&ModelId> {
        match &self.body {
            Body::Json(json) => json.1.model.as_ref(),
            Body::Form(multipart) => multipart.form.model.as_ref(),
            Body::Batch(document) => document.batched().model.as_ref(),
            Body::Opaque(_) => None,
        }
    }

    /// Some upstreams believe the path and others the body, so both must name one model. Gemini's bodies
    /// write it as `models/{m}`.
    fn agree(&self) -> Result<(), BodyError> {
        let (Some(path), Some(body)) = (self.endpoint.path_model(), self.body_model()) else {
            return Ok(());
        };
        let short = body.as_str().strip_prefix("models/");
        if body == path || short == Some(path.as_str()) {
            Ok(())
        } else {
            Err(BodyError::ConflictingModel)
        }
    }

    /// The body is complete: its facts.
    ///
    /// # Errors
    /// [`BodyError`] where it ends too early, is empty, or lacks the model.
    pub fn finish(mut self) -> Result<RequestFacts, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.agree()?;
        let batched = match &mut self.body {
            Body::Form(multipart) => multipart.form.batched()?.cloned(),
            Body::Batch(document) => Some(document.finish()?.clone()),
            Body::Json(_) | Body::Opaque(_) => None,
        };
        let endpoint = &self.endpoint;
        let may_be_empty = !endpoint.requires_model() || endpoint.path_model().is_some();
        let complete = match &self.body {
            Body::Json(json) => json.0.finish(),
            Body::Form(multipart) => multipart.finish(),
            Body::Batch(_) | Body::Opaque(_) => Ok(()),
        };
        match complete {
            Err(BodyError::Empty) if may_be_empty => {}
            other => other?,
        }
        let model = self.model().cloned();
        if model.is_none() && endpoint.requires_model() {
            return Err(BodyError::MissingModel);
        }
        let mut facts = RequestFacts {
            model,
            stream: endpoint.streams_by_path(),
            include_usage: None,
            declared_cap: None,
            choices: 1,
            prompts: 1,
            prompt_tokens: 0,
            parts: PartCounts::default(),
            others: OtherModels::default(),
            body_len: self.len,
            usage_edit: UsageEdit::None,
            later: None,
            store: None,
            references: Vec::new(),
            batched: None,
        };
        let meter = match &self.body {
            Body::Json(json) => {
                let fields = &json.1;
                facts.stream |= fields.stream;
                facts.include_usage = fields.options.include_usage.and_then(|(asked, ..)| asked);
                facts.declared_cap = fields.cap();
                facts.others = fields.nesting.found.clone();
                facts.store = fields.store;
                facts.later = fields.later;
                if fields.odd_background && endpoint.kind() != EndpointKind::Images {
                    return Err(BodyError::WrongType(Param::Background));
                }
                let references = fields.references.finish();
                facts.references = references.ok_or(BodyError::TooManyReferences)?.to_vec();
                facts.choices = fields.choices;
                if endpoint.kind() == EndpointKind::Completions {
                    facts.prompts = fields.prompts.max(1);
                }
                if let (true, true, Some(open)) = (
                    fields.stream,
                    endpoint.takes_include_usage(),
                    fields.open_brace,
                ) {
                    facts.usage_edit = fields.options.edit(open);
                }
                &fields.meter
            }
            Body::Form(multipart) => {
                facts.stream |= multipart.form.stream;
                facts.others = multipart.form.others.clone();
                facts.choices = multipart.form.choices;
                &multipart.form.meter
            }
            // Its tokens are the batch's, which runs later.
            Body::Batch(_) => {
                facts.references = batched
                    .iter()
                    .flat_map(|b| &b.references)
                    .copied()
                    .collect();
                facts.batched = batched;
                return Ok(facts);
            }
            Body::Opaque(meter) => meter,
        };
        if let Some(batched) = batched {
            facts.references.extend(&batched.references);
            facts.batched = Some(batched);
        }
        facts.prompt_tokens = meter.tokens();
        facts.parts = meter.parts();
        Ok(facts)
    }
}
