//! The walker inside strings, numbers and literals.

use super::super::schema::Kind;
use super::{Sink, State, Walker, Want};
use crate::json::{Decimal, Escape, EscapeStep as Step, Number};

/// Above this a count is a broken upstream's, not an answer's: a thousand times the largest context. It is
/// ignored, since debt is carried and one absurd report would shut a customer out for years.
const MAX_COUNT: u64 = 1_000_000_000;

/// What JSON writes without quotes, and what Python adds.
const LITERALS: [&str; 5] = ["true", "false", "null", "NaN", "Infinity"];

impl Walker {
    pub(super) fn begin_string(&mut self, sink: &mut impl Sink) {
        self.start_string();
        if self.in_object() && self.expect_key {
            self.state = State::Str(Want::Key);
            return;
        }
        self.pending = self.begin(Kind::Str, sink);
        self.enter(State::Str(Want::of(self.pending)));
    }

    pub(super) fn start_string(&mut self) {
        self.short.clear();
        self.escape = Escape::default();
    }

    pub(super) fn string<'a>(
        &mut self,
        want: Want,
        rest: &'a [u8],
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        if self.escape.is_under_way() {
            return self.escaped(want, rest, sink);
        }
        if rest.first() != Some(&b'\\') {
            self.flush_lone(want, sink);
        }
        let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let Some((run, tail)) = rest.split_at_checked(end) else {
            return &[];
        };
        self.piece(want, run, sink);
        let Some((&byte, tail)) = tail.split_first() else {
            return &[];
        };
        if byte == b'\\' {
            self.escape.begin();
        } else {
            self.end_string(want, sink);
        }
        tail
    }

    fn escaped<'a>(&mut self, want: Want, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Some((&byte, tail)) = rest.split_first() else {
            return &[];
        };
        match self.escape.push(byte) {
            Step::More => {}
            Step::Char(decoded) => self.character(want, decoded, sink),
            Step::LoneThen(decoded) => {
                self.character(want, char::REPLACEMENT_CHARACTER, sink);
                self.character(want, decoded, sink);
            }
            // It is plain text, or the string's end.
            Step::Broken => return rest,
        }
        tail
    }

    fn flush_lone(&mut self, want: Want, sink: &mut impl Sink) {
        if let Some(lone) = self.escape.take_lone() {
            self.character(want, lone, sink);
        }
    }

    fn character(&mut self, want: Want, decoded: char, sink: &mut impl Sink) {
        self.piece(want, decoded.encode_utf8(&mut [0; 4]).as_bytes(), sink);
    }

    fn piece(&mut self, want: Want, piece: &[u8], sink: &mut impl Sink) {
        match want {
            Want::Nothing => sink.unknown(piece),
            Want::Text => sink.text(piece),
            Want::Id(_) => sink.id(piece),
            Want::Blob => sink.blob(piece.len()),
            Want::Loose => sink.loose(piece),
            Want::Key | Want::Tag => {
                self.short.push(piece);
            }
        }
    }

    fn end_string(&mut self, want: Want, sink: &mut impl Sink) {
        self.state = State::Between;
        match want {
            Want::Key => {
                self.expect_key = false;
                self.pending = match (self.frames.last(), self.short.whole()) {
                    (Some(frame), Some(key)) => frame.schema.member(key),
                    _ => None,
                };
            }
            Want::Tag => {
                if let (Some(schema), Some(tag)) = (self.pending.take(), self.short.whole()) {
                    sink.tag(schema, tag);
                }
            }
            Want::Id(names) => {
                self.pending = None;
                sink.end_id(names);
            }
            Want::Text | Want::Blob | Want::Loose | Want::Nothing => {
                sink.end_string();
                if self.skipped > 0 {
                    self.state = State::Skipping;
                } else {
                    self.pending = None;
                }
            }
        }
    }

    pub(super) fn number<'a>(&mut self, mut rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        while let Some((&byte, tail)) = rest.split_first() {
            let goes_on = self.number.as_mut().is_some_and(|n| n.push(byte));
            if !goes_on && !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
                self.end_number(sink);
                break;
            }
            if !goes_on {
                // `01`, `1.2.3`: no number of JSON's, passed over to its end.
                self.number = None;
            }
            rest = tail;
        }
        rest
    }

    fn end_number(&mut self, sink: &mut impl Sink) {
        let count = self.number.take().and_then(Number::end).and_then(plausible);
        if let (Some(schema), Some(count)) = (self.pending.take(), count) {
            sink.count(schema, count);
        }
        self.state = State::Between;
    }

    pub(super) fn literal<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, tail) = rest.split_at_checked(letters).unwrap_or_default();
        self.short.push(word);
        if self.frames.is_empty() {
            // No document: plain text.
            sink.unknown(word);
        }
        if !tail.is_empty() {
            self.end_literal(sink);
        }
        tail
    }

    fn end_literal(&mut self, sink: &mut impl Sink) {
        self.state = State::Between;
        let known = |word| LITERALS.iter().any(|literal| literal.as_bytes() == word);
        let in_outermost_list = matches!(self.frames.as_slice(), [outermost] if !outermost.object);
        if in_outermost_list && !self.short.whole().is_some_and(known) {
            // Brackets around plain text.
            sink.unknown(self.short.held());
            self.state = State::Dead;
        }
    }
}

/// A number as a count of tokens: a fraction is cut off; what is negative or implausible is no count.
fn plausible(number: Decimal) -> Option<u64> {
    (!number.negative && number.whole <= MAX_COUNT).then_some(number.whole)
}
