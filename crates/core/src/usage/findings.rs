//! What an answer has shown so far: its reports, its generated text, its errors, its end.

use crate::estimate::TextEstimator;

use super::kind::TokenKind;
use super::plan::MeterPlan;
use super::report::Report;
use super::schema::{Kind, Names, Schema, Tag};
use super::shapes;
use super::shown::{Gathered, Shown};
use super::tokens::{Tokens, Usage};
use super::unread::Strings;
use super::walker::Sink;

/// Bytes of names and ids that a body of a known shape may begin with: a body that was cut within them has generated
/// nothing.
const ENVELOPE: u64 = 256;

/// What `choices` at the top level of a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Choices {
    #[default]
    Unseen,
    Empty,
    /// Not an array, or one with an item.
    Other,
}

/// Whether an event is the injected usage event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has no choices and a report, so far.
    UsageOnly,
    /// It may still become it.
    Open,
    /// It cannot become it.
    Content,
}

/// One JSON document: an event's data, or a body.
#[derive(Clone, Copy, Debug, Default)]
struct Document {
    report: Report,
    usage: bool,
    choices: Choices,
    generated: bool,
    /// Whether its text is base64.
    blob: bool,
    /// Whether any part of the shape is one that is known here, so that what is generated is seen.
    known: bool,
    /// Strings at known places, under names that are new.
    loose: Strings,
    /// Strings at no known place.
    unknown: Strings,
    error: bool,
    last: bool,
}

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
    /// Whether a document ends with its outermost object rather than when the reader says so.
    self_ending: bool,
}

impl Findings {
    /// For a body, which may be several documents: each ends by itself.
    pub(super) fn of_body() -> Self {
        Self {
            self_ending: true,
            ..Self::default()
        }
    }

    /// The objects that were shown so far.
    pub(super) fn shown(&self) -> &Shown {
        &self.objects.shown
    }

    /// Whether the document under way is the event to drop.
    pub(super) fn verdict(&self) -> Verdict {
        match self.document.choices {
            Choices::Other => Verdict::Content,
            Choices::Empty if self.document.usage => Verdict::UsageOnly,
            _ => Verdict::Open,
        }
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
        if self.verdict() == Verdict::UsageOnly {
            self.document.last = true;
        }
        self.end_string();
        let document = std::mem::take(&mut self.document);
        if document.blob {
            let letters = self.text.bytes().saturating_sub(self.before.bytes());
            self.others
                .blob(usize::try_from(letters).unwrap_or(usize::MAX));
            self.text = self.before;
        }
        self.before = self.text;
        if !document.generated {
            self.others.add(&document.loose);
        }
        if !document.known {
            self.others.add(&document.unknown);
        }
        self.events = self.events.saturating_add(u64::from(document.generated));
        self.ended |= document.last;
        if shapes::tokens(&document.report).is_some() {
            self.report.merge(&document.report);
            self.outran = false;
        } else {
            self.outran |= document.generated;
            self.error |= document.error;
        }
    }

    /// What it all comes to. `complete` says that the transport saw the end; a stream that has said so
    /// itself is whole even if the client then hung up on the rest.
    pub(super) fn settle(mut self, plan: &MeterPlan, complete: bool) -> Usage {
        if !complete {
            // What makes the document known may have been about to come.
            let under_way = std::mem::take(&mut self.document.unknown);
            if self.self_ending {
                self.document.unknown = under_way.without(ENVELOPE);
            }
        }
        self.end_document();
        let others = if plan.generates {
            self.others.tokens()
        } else {
            0
        };
        let generated = self.text.tokens().saturating_add(others);
        let streamed = self.events.max(generated).max(self.listed);
        let seen = shapes::tokens(&self.report);
        if self.error && streamed == 0 && seen.is_none() {
            return Usage::LowerBound(Tokens::default());
        }
        let whole = (complete || self.ended) && !self.error && !(seen.is_some() && self.outran);
        let reported = seen.unwrap_or_default();
        let output_counted = reported.billable_total() > reported.input() || self.events == 0;
        let counted = reported.input() > 0 && output_counted;
        if whole && counted {
            return Usage::Exact(reported);
        }
        let mut tokens = reported;
        if tokens.input() == 0 {
            tokens = tokens.with(TokenKind::Input, plan.prompt_estimate);
        }
        tokens = tokens.with(TokenKind::Output, tokens.output().max(streamed));
        if !whole {
            return Usage::LowerBound(tokens);
        }
        Usage::Estimated(at_least_one(tokens))
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
        match schema {
            Schema::Usage(_) => document.usage |= kind != Kind::Null,
            Schema::List(_) | Schema::Part(_) | Schema::Open(_) | Schema::Nothing => {
                document.known = true;
            }
            Schema::Id(names) if kind == Kind::Str => self.objects.begin(*names),
            Schema::Error => {
                let failed = !matches!(kind, Kind::Null | Kind::Literal);
                document.error |= failed;
                document.known |= failed;
            }
            Schema::Blob if kind != Kind::Null => {
                document.known = true;
                document.generated = true;
            }
            Schema::Choices(_) => {
                document.known = true;
                document.choices = match (document.choices, kind) {
                    (Choices::Unseen | Choices::Empty, Kind::Array) => Choices::Empty,
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
            Schema::Tag(Tag::Type) => {}
            Schema::Tag(Tag::Status) => {
                self.unknown(tag);
                self.end_string();
                return self.objects.status(tag);
            }
            _ => return,
        }
        match tag {
            b"error" => self.document.error = true,
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
        if self.self_ending {
            self.end_document();
        }
    }
}
