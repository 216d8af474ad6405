//! What an answer has shown so far: its reports, its generated text, its errors, its end.

use crate::estimate::TextEstimator;

use super::kind::TokenKind;
use super::plan::MeterPlan;
use super::report::Report;
use super::schema::{Kind, Names, Schema, Tag};
use super::shapes;
use super::shown::{Gathered, Shown};
use super::tokens::{Tokens, Usage};
use super::unread::{Strings, Unread};
use super::walker::Sink;
use document::{Choices, Document, Event};

mod document;

pub(super) use document::Verdict;

/// Bytes of names and ids that a body of a known shape may begin with: a body that was cut within them has generated
/// nothing.
const ENVELOPE: u64 = 256;

/// All documents of an answer.
#[derive(Debug, Default)]
pub(super) struct Findings {
    document: Document,
    /// The text before this document.
    before: TextEstimator,
    text: TextEstimator,
    report: Report,
    /// Documents that generated something.
    events: u64,
    /// Tokens that log probabilities list.
    listed: u64,
    /// What was generated and is no text that is known.
    others: Strings,
    /// Whether something was generated after the last report.
    outran: bool,
    error: bool,
    ended: bool,
    objects: Gathered,
    event: Event,
    /// Whether the answer has events.
    framed: bool,
    /// Documents that stand bare.
    bare: u64,
    /// Text that is neither JSON nor an event.
    plain: TextEstimator,
    /// Whether that is no text either.
    binary: bool,
    /// Whether a document was of a shape that is known here.
    known: bool,
    /// Whether what began as JSON was none.
    broken: bool,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// This usage, and why it was not read if it was not.
    Usage(Usage, Option<Unread>),
    /// There was no text in it: it can be charged by its bytes alone.
    Binary,
}

impl Findings {
    /// The objects that were shown so far.
    pub(super) fn shown(&self) -> &Shown {
        &self.objects.shown
    }

    /// Whether the event under way is the one to drop.
    pub(super) fn verdict(&self) -> Verdict {
        match (self.event.documents, self.document.begun) {
            (0, _) => self.document.verdict(),
            (1, false) if self.event.usage_only => Verdict::UsageOnly,
            _ => Verdict::Content,
        }
    }

    /// Notes that an event has data.
    pub(super) fn begin_data(&mut self) {
        self.framed = true;
    }

    /// Notes that a document begins that stands bare.
    pub(super) fn begin_bare(&mut self) {
        self.bare = self.bare.saturating_add(1);
    }

    /// Notes that what began as JSON is none.
    pub(super) fn broke(&mut self) {
        self.broken = true;
    }

    /// Ends the event under way.
    pub(super) fn end_event(&mut self) {
        self.end_document();
        self.event = Event::default();
    }

    /// Notes text that is neither JSON nor an event.
    pub(super) fn plain(&mut self, piece: &[u8]) {
        self.binary |= piece.iter().any(|byte| matches!(byte, 0..=8 | 14..=26));
        self.plain.push(piece);
    }

    /// Notes that the answer said it failed, outside of any document.
    pub(super) fn failed(&mut self) {
        self.document.error = true;
        self.document.known = true;
    }

    /// Notes that the answer said it was whole.
    pub(super) fn done(&mut self) {
        self.ended = true;
    }

    /// Ends the document under way and adds it to the answer.
    pub(super) fn end_document(&mut self) {
        self.end_string();
        let mut document = std::mem::take(&mut self.document);
        let usage_only = document.verdict() == Verdict::UsageOnly;
        document.last |= usage_only;
        if document.begun {
            self.event.documents = self.event.documents.saturating_add(1);
            self.event.usage_only = usage_only;
        }
        if document.blob {
            let letters = self.text.bytes().saturating_sub(self.before.bytes());
            self.others
                .blob(usize::try_from(letters).unwrap_or(usize::MAX));
            self.text = self.before;
        }
        self.before = self.text;
        let mut generated = document.generated;
        if !document.error {
            if !document.generated {
                self.others.add(&document.loose);
            }
            if !document.known {
                self.others.add(&document.unknown);
                generated |= document.report.is_empty() && !document.unknown.is_empty();
            }
        }
        self.events = self.events.saturating_add(u64::from(generated));
        self.known |= document.known;
        self.ended |= document.last;
        if shapes::tokens(&document.report).is_some() {
            self.report.update(&document.report);
            self.outran = false;
        } else {
            self.outran |= document.generated;
            self.error |= document.error;
        }
    }

    /// What it all comes to. `complete` says that the transport saw the end; an answer that has said so itself is whole even
    /// if the client then hung up on the rest.
    pub(super) fn settle(mut self, plan: &MeterPlan, complete: bool) -> Settled {
        let within = self.document.begun;
        if !complete {
            // What makes the document known may have been about to come.
            let under_way = std::mem::take(&mut self.document.unknown);
            if self.bare > 0 {
                self.document.unknown = under_way.without(ENVELOPE);
            }
        }
        self.end_document();
        let nothing_read = !self.framed && !self.known && self.report.is_empty();
        if nothing_read && self.binary {
            return Settled::Binary;
        }
        let plain = if nothing_read { self.plain.tokens() } else { 0 };
        let others = if plan.generates {
            self.others.tokens().saturating_add(plain)
        } else {
            0
        };
        let generated = self.text.tokens().saturating_add(others);
        let streamed = self.events.max(generated).max(self.listed);
        let seen = shapes::tokens(&self.report);
        if self.error && streamed == 0 && seen.is_none() {
            return Settled::Usage(Usage::LowerBound(Tokens::default()), None);
        }
        // One document that stands alone and has ended is the whole answer.
        self.ended |= !self.framed && self.bare == 1 && !within && !self.broken;
        let whole = (complete || self.ended) && !self.error && !(seen.is_some() && self.outran);
        let reported = seen.unwrap_or_default();
        let output_counted = reported.billable_total() > reported.input() || self.events == 0;
        let counted = reported.input() > 0 && output_counted;
        if whole && counted {
            return Settled::Usage(Usage::Exact(reported), None);
        }
        let unread = match seen {
            Some(_) => None,
            None if plain > 0 && self.broken => Some(Unread::Broken),
            None if plain > 0 => Some(Unread::Text),
            None if !self.known && others > 0 => Some(Unread::Shape),
            None => None,
        };
        let mut tokens = reported;
        if tokens.input() == 0 {
            tokens = tokens.with(TokenKind::Input, plan.prompt_estimate);
        }
        tokens = tokens.with(TokenKind::Output, tokens.output().max(streamed));
        let usage = if whole {
            Usage::Estimated(at_least_one(tokens))
        } else {
            Usage::LowerBound(tokens)
        };
        Settled::Usage(usage, unread)
    }
}

/// No answer without a count is free.
pub(super) fn at_least_one(tokens: Tokens) -> Tokens {
    if tokens.is_zero() {
        tokens.with(TokenKind::Input, 1)
    } else {
        tokens
    }
}

impl Sink for Findings {
    fn value(&mut self, schema: &'static Schema, kind: Kind) {
        let document = &mut self.document;
        document.begun = true;
        match schema {
            Schema::Usage(_) => document.usage |= kind == Kind::Object,
            Schema::List(_) | Schema::Part(_) | Schema::Open(_) => {
                document.known = true;
                document.content |= kind != Kind::Null;
            }
            Schema::Nothing => document.known = true,
            Schema::Id(names) if kind == Kind::Str => self.objects.begin(*names),
            Schema::Error => {
                let failed = !matches!(kind, Kind::Null | Kind::Literal);
                document.error |= failed;
                document.known |= failed;
                document.content |= failed;
            }
            Schema::Blob if kind != Kind::Null => {
                document.known = true;
                document.generated = true;
            }
            Schema::Choices(_) => {
                document.known = true;
                document.choices = match (document.choices, kind) {
                    (choices, Kind::Null) => choices,
                    (Choices::None | Choices::Empty, Kind::Array) => Choices::Empty,
                    _ => Choices::Other,
                };
            }
            _ => {}
        }
    }

    fn item(&mut self, array: &'static Schema) {
        match array {
            Schema::Choices(_) => self.document.choices = Choices::Other,
            Schema::Tokens => self.listed = self.listed.saturating_add(1),
            _ => {}
        }
    }

    fn text(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            self.document.known = true;
            self.document.generated = true;
            self.text.push(piece);
        }
    }

    fn id(&mut self, piece: &[u8]) {
        self.unknown(piece);
        self.objects.push(piece);
    }

    fn end_id(&mut self, names: Names) {
        self.end_string();
        self.objects.end(names);
    }

    fn blob(&mut self, letters: usize) {
        self.others.blob(letters);
    }

    fn loose(&mut self, piece: &[u8]) {
        self.document.loose.push(piece);
    }

    fn unknown(&mut self, piece: &[u8]) {
        self.document.unknown.push(piece);
    }

    fn end_string(&mut self) {
        self.document.loose.end();
        self.document.unknown.end();
    }

    fn tag(&mut self, schema: &'static Schema, tag: &[u8]) {
        match schema {
            Schema::Tag(Tag::Type) => self.document.content = true,
            Schema::Tag(Tag::Object | Tag::Ended | Tag::Model) => {}
            Schema::Tag(Tag::Status) => {
                self.unknown(tag);
                self.end_string();
                return self.objects.status(tag);
            }
            _ => return,
        }
        match schema {
            Schema::Tag(Tag::Ended) => return self.document.last = true,
            Schema::Tag(Tag::Model) => return self.document.report.note_model(tag),
            _ => {}
        }
        match tag {
            b"error" => {
                self.document.error = true;
                self.document.known = true;
            }
            b"message_stop"
            | b"response.completed"
            | b"response.incomplete"
            | b"response.done"
            | b"transcript.text.done"
            | b"speech.audio.done" => self.document.last = true,
            b"response.failed" => {
                self.document.error = true;
                self.document.last = true;
            }
            b"response.audio.delta" | b"response.output_audio.delta" => self.document.blob = true,
            _ => {}
        }
        // Beside their deltas, these repeat what was generated.
        self.document.known |= tag.starts_with(b"response.") || tag.ends_with(b".done");
    }

    fn count(&mut self, schema: &'static Schema, count: u64) {
        if let Schema::Count(field) = schema {
            self.document.report.note(*field, count);
        }
    }

    fn document(&mut self) {
        self.end_document();
    }
}
