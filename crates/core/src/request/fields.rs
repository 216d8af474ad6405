//! The parameters of a JSON body, gathered as it passes by.

use super::count::Count;
use super::edit::StreamOptions;
use super::error::{BodyError, Param};
use super::keys::{self, Key, Section};
use super::lexer::{Begin, MAX_DEPTH, Scalar, Visitor};
use super::meter::{Meter, PartCosts};
use super::others::Nesting;
use super::references::References;
use crate::json::Bounded;
use crate::model::{MAX_MODEL_LEN, ModelId};

/// Longer keys are none that the gate knows.
const MAX_KEY: usize = 64;

/// How realtime endpoints write "no cap" in `max_output_tokens`.
const NO_CAP: &[u8] = b"inf";

/// What becomes of the string that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Ignored,
    Key,
    Model,
    NoCap,
    Prompt(Key),
}

/// What the body has said so far.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) model: Option<ModelId>,
    pub(super) stream: bool,
    pub(super) options: StreamOptions,
    cap: Option<u64>,
    pub(super) choices: u64,
    pub(super) prompts: u64,
    /// Models beside the body's own.
    pub(super) nesting: Nesting,
    /// A cap that is none (`-1`) was given.
    uncapped: bool,
    /// It asks for work that finishes after its answer.
    pub(super) later: Option<Param>,
    /// `background` is neither a boolean nor null: images have another parameter of that name.
    pub(super) odd_background: bool,
    pub(super) store: Option<bool>,
    pub(super) references: References,
    pub(super) open_brace: Option<u64>,
    pub(super) meter: Meter,
    /// One bit a [`Param`] seen.
    seen: u32,
    depth: usize,
    /// For each open container, the class of the key that it stands under.
    classes: [Key; MAX_DEPTH],
    /// The class of the key read last, or of the array around.
    class: Key,
    section: Section,
    /// The top-level parameter that is being read.
    top: Option<Param>,
    /// The parameter whose value comes next.
    next: Option<Param>,
    current: Use,
    key: Bounded<MAX_KEY>,
    model_text: Bounded<MAX_MODEL_LEN>,
    cap_text: Bounded<4>,
}

impl Fields {
    pub(super) fn new(costs: PartCosts) -> Self {
        Self {
            model: None,
            stream: false,
            options: StreamOptions::new(),
            cap: None,
            choices: 1,
            prompts: 0,
            nesting: Nesting::new(),
            uncapped: false,
            later: None,
            odd_background: false,
            store: None,
            references: References::default(),
            open_brace: None,
            meter: Meter::new(costs),
            seen: 0,
            depth: 0,
            classes: [Key::Label; MAX_DEPTH],
            class: Key::Label,
            section: Section::Hidden,
            top: None,
            next: None,
            current: Use::Ignored,
            key: Bounded::new(),
            model_text: Bounded::new(),
            cap_text: Bounded::new(),
        }
    }

    /// The largest cap on the output; nothing where one of them says that there is none.
    pub(super) fn cap(&self) -> Option<u64> {
        self.cap.filter(|_| !self.uncapped)
    }

    /// The class that the innermost container stands under.
    fn parent(&self) -> Key {
        let innermost = self.depth.checked_sub(1).and_then(|i| self.classes.get(i));
        innermost.copied().unwrap_or(Key::Label)
    }

    fn end_key(&mut self) -> Result<(), BodyError> {
        let name = self.key.whole().unwrap_or_default();
        self.references.key(name);
        if self.depth == 1 {
            self.class = Key::Label;
            self.section = keys::section(name);
            self.next = keys::param(None, name)?;
            self.top = self.next;
        } else {
            self.class = keys::inside(self.parent(), name);
            self.next = match self.top {
                Some(top) if self.depth == 2 => keys::param(Some(top), name)?,
                _ => None,
            };
            self.options.has_keys |= self.top == Some(Param::StreamOptions);
            let shown = match self.section {
                Section::Hidden => false,
                Section::Schema => true,
                Section::Text | Section::Prompt => self.class == Key::Other,
            };
            if shown {
                self.meter.push(Key::Label, self.key.held());
                self.meter.end(Key::Label);
            } else if self.class == Key::Role && self.section != Section::Hidden {
                self.meter.message();
            }
        }
        let own = self.next == Some(Param::Model);
        self.nesting.key(self.depth, name, own);
        if let Some(param) = self.next {
            let bit = 1 << param as u32;
            if self.seen & bit != 0 {
                return Err(BodyError::Duplicate(param));
            }
            self.seen |= bit;
        }
        Ok(())
    }

    fn parameter(&mut self, param: Param, value: Value) -> Result<(), BodyError> {
        match (param, value) {
            (Param::Model, Value::Begin(Begin::String, _)) => self.current = Use::Model,
            (Param::MaxOutputTokens, Value::Begin(Begin::String, _)) => self.current = Use::NoCap,
            (Param::Stream, Value::Scalar(Scalar::Bool(stream), ..)) => self.stream = stream,
            (Param::Background | Param::Deferred, Value::Scalar(Scalar::Bool(true), ..)) => {
                self.later = Some(param);
            }
            (
                Param::Background | Param::Deferred,
                Value::Scalar(Scalar::Bool(false) | Scalar::Null, ..),
            ) => {}
            (Param::Background, _) => self.odd_background = true,
            (Param::Store, Value::Scalar(Scalar::Bool(store), ..)) => self.store = Some(store),
            (Param::StreamOptions, Value::Scalar(Scalar::Null, from, _)) => {
                self.options.null_at = Some(from)
            }
            (Param::StreamOptions, Value::Begin(Begin::Object, inside)) => {
                self.options.inside = Some(inside)
            }
            (Param::IncludeUsage, Value::Scalar(Scalar::Bool(asked), from, to)) => {
                self.options.include_usage = Some((Some(asked), from, to));
            }
            (Param::IncludeUsage, Value::Scalar(Scalar::Null, from, to)) => {
                self.options.include_usage = Some((None, from, to));
            }
            (Param::GenerationConfig, Value::Begin(Begin::Object, _)) => {}
            // SDKs send null for what is not set.
            (_, Value::Scalar(Scalar::Null, ..)) => {}
            (
                Param::Model
                | Param::Stream
                | Param::StreamOptions
                | Param::IncludeUsage
                | Param::Deferred
                | Param::Store
                | Param::GenerationConfig,
                _,
            ) => return Err(BodyError::WrongType(param)),
            (_, Value::Scalar(Scalar::Number(Count::Whole(count)), ..)) => self.count(param, count),
            // What LM Studio and llama.cpp take for no cap at all.
            (
                Param::MaxTokens
                | Param::MaxCompletionTokens
                | Param::MaxOutputTokens
                | Param::GenerationMaxOutputTokens,
                Value::Scalar(Scalar::Number(Count::Negative), ..),
            ) => self.uncapped = true,
            (_, Value::Scalar(Scalar::Number(_), ..)) => return Err(BodyError::WrongCount(param)),
            _ => return Err(BodyError::WrongType(param)),
        }
        Ok(())
    }

    fn count(&mut self, param: Param, count: u64) {
        match param {
            Param::N | Param::BestOf | Param::CandidateCount => {
                self.choices = self.choices.max(count)
            }
            _ => self.cap = self.cap.max(Some(count)),
        }
    }
}

/// A value as far as its beginning tells.
#[derive(Clone, Copy, Debug)]
enum Value {
    Begin(Begin, u64),
    Scalar(Scalar, u64, u64),
}

impl Visitor for Fields {
    fn begin(&mut self, what: Begin, inside: u64) -> Result<(), BodyError> {
        if what == Begin::Key {
            self.current = Use::Key;
            self.key.clear();
            return Ok(());
        }
        if what == Begin::String {
            self.references.begin();
            self.current = match self.section {
                Section::Hidden => Use::Ignored,
                // A schema's `type` and `format` are shown to the model.
                Section::Schema if self.class == Key::Id => Use::Prompt(Key::Label),
                _ => Use::Prompt(self.class),
            };
        }
        self.nesting.begin(self.depth, what);
        if let Some(param) = self.next.take() {
            self.parameter(param, Value::Begin(what, inside))?;
        }
        let prompt = self.section == Section::Prompt && self.depth == 2;
        if prompt && matches!(what, Begin::String | Begin::Array) {
            self.prompts = self.prompts.saturating_add(1);
        }
        if matches!(what, Begin::Object | Begin::Array) {
            self.references.open();
            if let Some(slot) = self.classes.get_mut(self.depth) {
                *slot = self.class;
            }
            self.depth = self.depth.saturating_add(1);
            self.open_brace.get_or_insert(inside);
        }
        Ok(())
    }

    fn text(&mut self, piece: &str) -> Result<(), BodyError> {
        self.nesting.text(piece);
        if self.current != Use::Key {
            self.references.text(piece.as_bytes());
        }
        match self.current {
            Use::Ignored => {}
            Use::Key => {
                let rest = self.key.push(piece.as_bytes());
                // A key too long to be known is at most a property's name, and counts as text.
                if !rest.is_empty() && self.depth > 1 && self.section != Section::Hidden {
                    self.meter.push(Key::Label, rest);
                }
            }
            Use::Model => {
                self.model_text.push(piece.as_bytes());
            }
            Use::NoCap => {
                self.cap_text.push(piece.as_bytes());
            }
            Use::Prompt(class) => self.meter.push(class, piece.as_bytes()),
        }
        Ok(())
    }

    fn end_text(&mut self) -> Result<(), BodyError> {
        self.nesting.end_text();
        if self.current != Use::Key {
            self.references.end();
        }
        match self.current {
            Use::Ignored => {}
            Use::Key => self.end_key()?,
            Use::Model => {
                let text = self
                    .model_text
                    .whole()
                    .and_then(|t| std::str::from_utf8(t).ok());
                let model = text.and_then(|t| ModelId::new(t).ok());
                self.model = Some(model.ok_or(BodyError::InvalidModel)?);
            }
            Use::NoCap if self.cap_text.whole() == Some(NO_CAP) => {}
            Use::NoCap => return Err(BodyError::WrongType(Param::MaxOutputTokens)),
            Use::Prompt(class) => self.meter.end(class),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), BodyError> {
        self.references.close();
        self.class = self.parent();
        self.nesting.end(self.depth);
        self.depth = self.depth.saturating_sub(1);
        // The elements of an array around share its class; an object's next key brings its own.
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar, from: u64, to: u64) -> Result<(), BodyError> {
        self.nesting.scalar();
        if let Some(param) = self.next.take() {
            return self.parameter(param, Value::Scalar(scalar, from, to));
        }
        let shown = self.depth > 1 && self.section != Section::Hidden;
        if shown && matches!(scalar, Scalar::Number(_)) {
            self.meter.number();
        }
        Ok(())
    }
}
