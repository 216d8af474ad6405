//! The text of an answer: server-sent events, JSON documents, or the one after the other.
//!
//! The first bytes of each line tell what it is, whatever the content type says: `data:` and its like begin an event, `{` and
//! `[` a document that stands bare (a whole answer, NDJSON, an error in the middle of a stream), and everything else is plain
//! text. So a reader never has to be exchanged: JSON that ends in `data: [DONE]` is read as both.
//!
//! Lines end by LF, CRLF or CR; `data:` comes with or without a space, in one line or several, with one document or several;
//! a BOM, blanks before a line, comments and unknown fields are understood. Neither a line nor an event is ever buffered for
//! reading.
//!
//! # Dropping
//! Where the gate asked for the usage and the client did not, the event that holds a `usage` and nothing of an answer is
//! taken out, with its blank line: its `choices` are empty, null or absent. Until an event is known not to be that one
//! its bytes are held back, at most [`HOLD_MAX`]; the first choice of a delta releases it, so that deltas pass
//! as they come. Everything else is forwarded to the byte: other chunks without choices
//! (Azure's `prompt_filter_results`), the `"usage":null` that upstreams add to each chunk once asked, comments
//! before an event, a BOM, and documents that stand bare.

use super::findings::{Findings, Settled, Verdict};
use super::plan::{MeterPlan, Output};
use super::shapes;
use super::shown::Shown;
use super::walker::{Sink, Walker};
use crate::json::Bounded;
use line::{Field, Line, is_prefix};
use passing::{Cut, Passing};

mod line;
mod passing;

pub(super) use passing::HOLD_MAX;

/// The longest field name or value that is compared with anything is `[DONE]`; one byte more is enough to equal nothing.
const SHORT: usize = DONE.len() + 1;

const DONE: &[u8] = b"[DONE]";
const BOM: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug)]
pub(super) struct TextReader {
    walker: Walker,
    findings: Findings,
    passing: Passing,
    line: Line,
    short: Bounded<SHORT>,
    bom: usize,
    /// Whether a field of an event was seen in this answer.
    has_fields: bool,
    /// Whether the event under way has data.
    has_data: bool,
    after_cr: bool,
    dropped_at_cr: bool,
}

impl TextReader {
    /// A reader. `drops` if the usage event is to be taken out.
    pub(super) fn new(drops: bool) -> Self {
        Self {
            walker: Walker::new(&shapes::EVENT),
            findings: Findings::default(),
            passing: Passing::new(drops),
            line: Line::Start,
            short: Bounded::new(),
            bom: 0,
            has_fields: false,
            has_data: false,
            after_cr: false,
            dropped_at_cr: false,
        }
    }

    /// A reader for a body of which `passed` has passed already.
    pub(super) fn after(passed: &[u8], drops: bool) -> Self {
        let mut reader = Self::new(drops);
        let _ = reader.push(passed);
        reader.passing.has_passed();
        reader
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.passing.held_bytes()
    }

    pub(super) fn shown(&self) -> &Shown {
        self.findings.shown()
    }

    /// Takes the next bytes; says what to forward in their place.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Output {
        let mut cut = Cut::new(chunk);
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|r| !r.is_empty()) {
            at += self.step(rest, at, &mut cut);
        }
        self.passing.end_chunk(&mut cut);
        cut.output()
    }

    /// The end: the bytes still held, unless they are the whole event to drop, and what was found. `complete` says that the
    /// transport saw the end.
    pub(super) fn finish(mut self, plan: &MeterPlan, complete: bool) -> (Vec<u8>, Settled) {
        let held = self.passing.take_held();
        let tail = if self.is_usage_event(held.len()) {
            Vec::new()
        } else {
            held
        };
        match self.line {
            Line::Name if complete => self.findings.plain(self.short.held()),
            Line::Value(Field::Marker) => self.end_marker(),
            _ => {}
        }
        // A body that stops within its document was cut, whatever the transport says.
        let cut_short = self.line == Line::Bare && self.walker.is_open();
        (tail, self.findings.settle(plan, complete && !cut_short))
    }

    /// Reads some of `rest`, which begins at `at` in the chunk: how much.
    fn step(&mut self, rest: &[u8], at: usize, cut: &mut Cut<'_>) -> usize {
        if self.line == Line::Bare {
            return self.bare(rest);
        }
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
            Line::Start | Line::Indented => return self.begin_line(byte, at, cut),
            Line::Name => self.name(byte),
            Line::Colon(field) if byte == b' ' => self.line = Line::Space(field),
            Line::Colon(field) | Line::Space(field) => {
                self.line = Line::Value(self.begin_value(field, byte, cut));
                // The value reads its own first byte.
                return 0;
            }
            Line::Value(field) => {
                let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                self.value(field, rest.get(..end).unwrap_or_default());
                if self.passing.holds() && self.is_content() {
                    self.passing.release(cut);
                }
                return end;
            }
            Line::Bare => {}
            Line::Plain => {
                let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                self.findings.plain(rest.get(..end).unwrap_or_default());
                return end;
            }
        }
        1
    }

    /// The first byte of a line that is no blank tells what the line is.
    fn begin_line(&mut self, byte: u8, at: usize, cut: &mut Cut<'_>) -> usize {
        self.bom = BOM.len();
        match byte {
            b' ' | b'\t' => {
                self.line = Line::Indented;
                return 1;
            }
            b'{' | b'[' => {
                self.passing.begin(at, true, cut);
                self.begin_bare();
                return 0;
            }
            b':' => {
                self.line = Line::Value(Field::Other);
                return 1;
            }
            _ => {}
        }
        // What is left of an indented event would indent the next line.
        let passes = self.line == Line::Indented || !(self.has_fields || is_prefix(&[byte]));
        self.passing.begin(at, passes, cut);
        self.short.clear();
        self.line = Line::Name;
        0
    }

    fn name(&mut self, byte: u8) {
        if byte == b':'
            && let Some(field) = Field::named(self.short.held())
        {
            self.has_fields = true;
            self.line = Line::Colon(field);
            return;
        }
        self.short.push(&[byte]);
        if self.short.whole().is_none_or(|name| !is_prefix(name)) {
            self.line = Line::Plain;
            self.findings.plain(self.short.held());
        }
    }

    fn begin_bare(&mut self) {
        self.findings.end_document();
        self.findings.begin_bare();
        self.walker.reset(&shapes::BODY);
        self.line = Line::Bare;
    }

    /// Reads a document that stands bare, at most to its end: how much of `rest` it was.
    fn bare(&mut self, rest: &[u8]) -> usize {
        let left = self.walker.push_document(rest, &mut self.findings).len();
        if self.walker.is_closed() {
            self.findings.end_document();
            self.line = Line::Start;
        } else if self.walker.is_dead() {
            self.findings.broke();
            self.line = Line::Plain;
        }
        if self.line != Line::Bare {
            self.walker.reset(&shapes::EVENT);
        }
        rest.len() - left
    }

    /// The field of a value, told by its first byte too.
    fn begin_value(&mut self, field: Field, first: u8, cut: &mut Cut<'_>) -> Field {
        self.short.clear();
        if field != Field::Data {
            return field;
        }
        self.begin_data();
        if first == b'[' && self.walker.is_fresh() {
            // A list is no usage event, and no more is `[DONE]`.
            self.passing.release(cut);
            Field::Marker
        } else {
            Field::Data
        }
    }

    fn begin_data(&mut self) {
        if self.has_data {
            if self.walker.is_open() {
                self.walker.push(b"\n", &mut self.findings);
            } else {
                // Another document in one event.
                self.findings.end_document();
                self.walker.reset(&shapes::EVENT);
            }
        }
        self.has_data = true;
        self.findings.begin_data();
    }

    fn value(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Data => self.walker.push(value, &mut self.findings),
            Field::Event => {
                self.short.push(value);
            }
            Field::Marker => {
                let rest = self.short.push(value);
                if self.short.held().starts_with(DONE) {
                    // What SDKs stop at is what begins so.
                    self.findings.done();
                    self.line = Line::Value(Field::Done);
                    let beyond = self.short.held().get(DONE.len()..);
                    self.findings.unknown(beyond.unwrap_or_default());
                    self.findings.unknown(rest);
                } else if !DONE.starts_with(self.short.held()) {
                    self.line = Line::Value(Field::Data);
                    self.end_marker();
                    self.walker.push(rest, &mut self.findings);
                }
            }
            Field::Done => self.findings.unknown(value),
            Field::Other => {}
        }
    }

    /// What began like `[DONE]` is something else.
    fn end_marker(&mut self) {
        let begun = self.short.clone();
        self.walker.push(begun.held(), &mut self.findings);
    }

    fn is_content(&self) -> bool {
        self.walker.is_dead() || self.findings.verdict() == Verdict::Content
    }

    fn end_line(&mut self, end: usize, cut: &mut Cut<'_>) {
        match self.line {
            Line::Start | Line::Indented => {
                self.bom = BOM.len();
                self.line = Line::Start;
                return self.end_event(end, cut);
            }
            Line::Name => match Field::named(self.short.held()) {
                Some(field) => {
                    self.has_fields = true;
                    if field == Field::Data {
                        self.begin_data();
                    }
                }
                None => self.findings.plain(self.short.held()),
            },
            Line::Colon(Field::Data) | Line::Space(Field::Data) => self.begin_data(),
            Line::Value(Field::Event) if self.short.held() == b"error" => self.findings.failed(),
            Line::Value(Field::Marker) => self.end_marker(),
            Line::Plain => self.findings.plain(b"\n"),
            _ => {}
        }
        self.line = Line::Start;
    }

    fn end_event(&mut self, end: usize, cut: &mut Cut<'_>) {
        if !self.passing.in_event() {
            return;
        }
        let dropped = self.is_usage_event(self.passing.event_len(end, cut));
        self.passing.end(end, dropped, cut);
        self.dropped_at_cr = dropped && self.after_cr;
        self.has_data = false;
        self.findings.end_event();
        self.walker.reset(&shapes::EVENT);
    }

    /// Whether the event under way, of `len` bytes, is whole and the one to drop.
    fn is_usage_event(&self, len: usize) -> bool {
        self.passing.holds()
            && len <= HOLD_MAX
            && self.walker.is_closed()
            && self.findings.verdict() == Verdict::UsageOnly
    }
}
