//! Server-sent events: finds the data of each event, and removes the injected usage event.
//!
//! Lines end by LF, CRLF or CR; `data:` comes with or without a space, in one line or several; a BOM,
//! comments and unknown fields are understood. Neither a line nor an event is ever buffered for reading.
//!
//! # Dropping
//! Where the gate asked for the usage and the client did not, the event with an empty `choices` array and
//! a `usage` that is not null is taken out, with its blank line. Until an event is known not to be that one
//! its bytes are held back, at most [`HOLD_MAX`]; the first choice of a delta releases it, so that deltas pass
//! as they come. Everything else is forwarded to the byte: other chunks without choices
//! (Azure's `prompt_filter_results`), the `"usage":null` that upstreams add to each chunk once asked, comments
//! before an event, a BOM.

use super::findings::{Findings, Verdict};
use super::plan::Output;
use super::shapes;
use super::shown::Shown;
use super::walker::{Sink, Walker};
use crate::json::Bounded;

/// The most bytes held back, and the longest event that is dropped.
pub(super) const HOLD_MAX: usize = 16 * 1024;

/// The longest field name or value that is compared with anything is `[DONE]`; one byte more is enough to equal nothing.
const SHORT: usize = DONE.len() + 1;

const DONE: &[u8] = b"[DONE]";
const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Name,
    /// After the colon, before the value's first byte.
    Colon(Field),
    /// After the one space that is no part of the value.
    Space(Field),
    Value(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// Data that is JSON or nothing.
    Data,
    /// Data that begins like `[DONE]`.
    Marker,
    Event,
    /// A comment or an unknown field.
    Other,
}

/// What becomes of the event under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No field of an event was seen yet.
    None,
    /// Its bytes are held back.
    Held,
    /// Its bytes pass.
    Passes,
}

#[derive(Debug)]
pub(super) struct SseReader {
    walker: Walker,
    findings: Findings,
    /// Whether the usage event is to be taken out.
    drops: bool,
    line: Line,
    short: Bounded<SHORT>,
    bom: usize,
    has_data: bool,
    after_cr: bool,
    dropped_at_cr: bool,
    fate: Fate,
    held: Vec<u8>,
}

/// The chunk under way and what of it is decided.
struct Cut<'a> {
    chunk: &'a [u8],
    /// What goes out in place of `chunk[..from]`, once anything differs.
    out: Vec<u8>,
    from: usize,
    rewritten: bool,
    /// Where the held event begins in the chunk; zero if it began before.
    event_at: usize,
}

impl Cut<'_> {
    fn take(&mut self, until: usize) {
        if let Some(bytes) = self.chunk.get(self.from..until) {
            self.out.extend_from_slice(bytes);
        }
        self.from = until;
        self.rewritten = true;
    }

    fn skip(&mut self, until: usize) {
        self.from = until;
        self.rewritten = true;
    }
}

impl SseReader {
    pub(super) fn new(drops: bool) -> Self {
        Self {
            walker: Walker::of_events(&shapes::EVENT),
            findings: Findings::default(),
            drops,
            line: Line::Start,
            short: Bounded::new(),
            bom: 0,
            has_data: false,
            after_cr: false,
            dropped_at_cr: false,
            fate: Fate::None,
            held: Vec::new(),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    pub(super) fn shown(&self) -> &Shown {
        self.findings.shown()
    }

    /// Takes the next bytes; says what to forward in their place.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Output {
        let mut cut = Cut {
            chunk,
            out: Vec::new(),
            from: 0,
            rewritten: false,
            event_at: 0,
        };
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|r| !r.is_empty()) {
            at += self.step(rest, at, &mut cut);
        }
        if self.fate == Fate::Held {
            self.hold(&mut cut);
        }
        if !cut.rewritten {
            return Output::Unchanged;
        }
        cut.take(chunk.len());
        Output::Replaced(cut.out)
    }

    /// The end: the bytes still held, unless they are the whole event to drop, and what was found.
    pub(super) fn finish(mut self) -> (Vec<u8>, Findings) {
        let tail = if self.is_usage_event(self.held.len()) {
            Vec::new()
        } else {
            std::mem::take(&mut self.held)
        };
        (tail, self.findings)
    }

    /// Reads some of `rest`, which begins at `at` in the chunk: how much.
    fn step(&mut self, rest: &[u8], at: usize, cut: &mut Cut<'_>) -> usize {
        let Some(&byte) = rest.first() else {
            return rest.len();
        };
        let (after_cr, dropped) = (self.after_cr, self.dropped_at_cr);
        self.after_cr = false;
        self.dropped_at_cr = false;
        if after_cr && byte == b'\n' {
            if dropped {
                cut.skip(at + 1);
            }
            return 1;
        }
        if byte == b'\n' || byte == b'\r' {
            self.after_cr = byte == b'\r';
            self.end_line(at + 1, cut);
            return 1;
        }
        match self.line {
            Line::Start if self.bom < BOM.len() && BOM.get(self.bom) == Some(&byte) => {
                self.bom += 1;
            }
            Line::Start => {
                self.bom = BOM.len();
                if byte == b':' {
                    self.line = Line::Value(Field::Other);
                    return 1;
                }
                if self.fate == Fate::None {
                    self.fate = if self.drops { Fate::Held } else { Fate::Passes };
                    cut.event_at = at;
                }
                self.short.clear();
                self.short.push(&[byte]);
                self.line = Line::Name;
            }
            Line::Name if byte == b':' => self.line = Line::Colon(self.field()),
            Line::Name => {
                self.short.push(&[byte]);
            }
            Line::Colon(field) if byte == b' ' => self.line = Line::Space(field),
            Line::Colon(field) | Line::Space(field) => {
                self.line = Line::Value(self.begin_value(field, byte));
                // The value reads its own first byte.
                return 0;
            }
            Line::Value(field) => {
                let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                self.value(field, rest.get(..end).unwrap_or_default());
                if self.fate == Fate::Held && (field == Field::Marker || self.is_content()) {
                    self.release(cut);
                }
                return end;
            }
        }
        1
    }

    fn field(&self) -> Field {
        match self.short.held() {
            b"data" => Field::Data,
            b"event" => Field::Event,
            _ => Field::Other,
        }
    }

    /// The field of a value, told by its first byte too.
    fn begin_value(&mut self, field: Field, first: u8) -> Field {
        self.short.clear();
        if field != Field::Data {
            return field;
        }
        self.begin_data();
        if first == b'[' && self.walker.is_fresh() {
            Field::Marker
        } else {
            Field::Data
        }
    }

    fn begin_data(&mut self) {
        if self.has_data {
            if self.walker.is_closed() {
                // A second document in one event: read as an event of its own, and nothing to drop.
                self.findings.end_document();
                self.walker.reset();
            } else {
                self.walker.push(b"\n", &mut self.findings);
            }
        }
        self.has_data = true;
    }

    fn value(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Data => self.walker.push(value, &mut self.findings),
            Field::Event => {
                self.short.push(value);
            }
            Field::Marker => {
                let rest = self.short.push(value);
                // What SDKs stop at is what begins so.
                if self.short.held().starts_with(DONE) {
                    self.findings.done();
                }
                self.findings.unknown(rest);
            }
            Field::Other => {}
        }
    }

    fn is_content(&self) -> bool {
        self.walker.is_dead() || self.findings.verdict() == Verdict::Content
    }

    fn end_line(&mut self, end: usize, cut: &mut Cut<'_>) {
        match self.line {
            Line::Start => return self.end_event(end, cut),
            Line::Name if self.field() == Field::Data => self.begin_data(),
            Line::Colon(Field::Data) | Line::Space(Field::Data) => self.begin_data(),
            Line::Value(Field::Event) if self.short.held() == b"error" => self.findings.failed(),
            _ => {}
        }
        self.line = Line::Start;
    }

    fn end_event(&mut self, end: usize, cut: &mut Cut<'_>) {
        if self.fate == Fate::None {
            return;
        }
        if self.fate == Fate::Held {
            let len = self.held.len() + end.saturating_sub(cut.event_at);
            if self.is_usage_event(len) {
                cut.take(cut.event_at);
                cut.skip(end);
                self.held.clear();
                self.dropped_at_cr = self.after_cr;
            } else {
                self.release(cut);
            }
        }
        self.fate = Fate::None;
        self.has_data = false;
        self.findings.end_document();
        self.walker.reset();
    }

    /// Whether the event under way, of `len` bytes, is whole and the one to drop.
    fn is_usage_event(&self, len: usize) -> bool {
        self.fate == Fate::Held
            && len <= HOLD_MAX
            && self.walker.is_closed()
            && self.findings.verdict() == Verdict::UsageOnly
    }

    fn release(&mut self, cut: &mut Cut<'_>) {
        self.fate = Fate::Passes;
        if !self.held.is_empty() {
            cut.out.append(&mut self.held);
            cut.rewritten = true;
        }
    }

    /// The chunk ends within an event that may be the one to drop.
    fn hold(&mut self, cut: &mut Cut<'_>) {
        let begun = cut.chunk.get(cut.event_at..).unwrap_or_default();
        if self.held.len() + begun.len() > HOLD_MAX {
            return self.release(cut);
        }
        self.held.extend_from_slice(begun);
        cut.take(cut.event_at);
        cut.skip(cut.chunk.len());
    }
}
