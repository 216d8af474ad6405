//! The walker inside strings, numbers and literals.

use super::super::schema::Kind;
use super::{SHORT, Sink, State, Walker, Want};
use crate::json::{Escape, EscapeStep as Step};

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
        self.short_fits = true;
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
            Step::Char(decoded) => {
                self.piece(want, decoded.encode_utf8(&mut [0; 4]).as_bytes(), sink);
            }
            // It may be the string's end.
            Step::NotMine => return rest,
        }
        tail
    }

    fn piece(&mut self, want: Want, piece: &[u8], sink: &mut impl Sink) {
        match want {
            Want::Nothing => sink.unknown(piece),
            Want::Text => sink.text(piece),
            Want::Id(_) => sink.id(piece),
            Want::Blob => sink.blob(piece.len()),
            Want::Loose => sink.loose(piece),
            Want::Key | Want::Tag => {
                self.short_fits &= self.short.len().saturating_add(piece.len()) <= SHORT;
                if self.short_fits {
                    self.short.extend_from_slice(piece);
                }
            }
        }
    }

    fn end_string(&mut self, want: Want, sink: &mut impl Sink) {
        self.state = State::Between;
        match want {
            Want::Key => {
                self.expect_key = false;
                self.pending = match self.frames.last() {
                    Some(frame) if self.short_fits => frame.schema.member(&self.short),
                    _ => None,
                };
            }
            Want::Tag => {
                if let (Some(schema), true) = (self.pending.take(), self.short_fits) {
                    sink.tag(schema, &self.short);
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
            if !self.number.push(byte) {
                if let (Some(schema), Some(count)) = (self.pending.take(), self.number.count()) {
                    sink.count(schema, count);
                }
                self.state = State::Between;
                break;
            }
            rest = tail;
        }
        rest
    }

    pub(super) fn literal<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let letters = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, tail) = rest.split_at_checked(letters).unwrap_or_default();
        if self.frames.is_empty() {
            // No document: plain text.
            sink.unknown(word);
        }
        if !tail.is_empty() {
            self.state = State::Between;
        }
        tail
    }
}
