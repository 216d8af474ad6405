//! A JSON lexer that is pushed to.
//!
//! serde_json, jiter and struson pull: they want the whole slice or a reader that blocks. A filter
//! gets a body in chunks of the network's choosing and must return between them, so this one keeps its place
//! in some two hundred bytes. It accepts exactly RFC 8259, within [`MAX_DEPTH`], and tells a [`Visitor`]
//! what passes by.

use super::count::Count;
use super::error::BodyError;
use super::fault::JsonFault;
use crate::json::Number;
use crate::json::{Step, Text, TextError};

/// The most arrays and objects inside one another.
pub const MAX_DEPTH: usize = 128;

/// The most bytes of white space before the body's `{`.
pub const MAX_LEADING_SPACE: u64 = 64;

/// A value that is neither string, array nor object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Count),
}

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Object,
    Array,
    String,
    Key,
}

/// What is told of the text as it passes by, in order. The first call is for the root object.
pub(super) trait Visitor {
    /// Something begins; `inside` is the offset just past its first character.
    fn begin(&mut self, what: Begin, inside: u64) -> Result<(), BodyError>;
    /// More decoded text of the string or key that began last; any number of pieces.
    fn text(&mut self, piece: &str) -> Result<(), BodyError>;
    /// The string or key that began last is complete.
    fn end_text(&mut self) -> Result<(), BodyError>;
    /// The innermost array or object is complete.
    fn end(&mut self) -> Result<(), BodyError>;
    /// A scalar and its first offset and the one just past it.
    fn scalar(&mut self, scalar: Scalar, from: u64, to: u64) -> Result<(), BodyError>;
}

#[derive(Debug)]
enum State {
    /// Before the root object.
    Start,
    /// A value, or `]` right after `[`.
    Value {
        or_end: bool,
    },
    /// A key, or `}` right after `{`.
    Key {
        or_end: bool,
    },
    Colon,
    /// A comma, or the container's end.
    AfterValue,
    Text {
        key: bool,
        text: Text,
    },
    Number {
        number: Number,
        from: u64,
    },
    /// `null`, `true` or `false`: what is left of it.
    Literal {
        left: &'static [u8],
        scalar: Scalar,
        from: u64,
    },
    /// After the root object.
    Done,
}

/// The lexer's place in the text.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    /// Bytes before the next one.
    offset: u64,
    /// Open arrays and objects.
    depth: usize,
    /// One bit an open container, the innermost lowest: 1 for an object.
    objects: u128,
}

impl Lexer {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Start,
            offset: 0,
            depth: 0,
            objects: 0,
        }
    }

    /// Reads the next bytes.
    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<(), BodyError> {
        let mut rest = chunk;
        while let Some((&byte, tail)) = rest.split_first() {
            if let State::Text { key, text } = &mut self.state {
                let key = *key;
                let step = text.push(rest, self.offset, &mut |piece: &str| visitor.text(piece));
                let after = match step {
                    Ok(Step::Closed(after)) => {
                        visitor.end_text()?;
                        self.state = if key { State::Colon } else { State::AfterValue };
                        after
                    }
                    Ok(Step::More) => &[],
                    Err(TextError::Fault(fault, at)) => {
                        return Err(BodyError::InvalidJson(fault.into(), at));
                    }
                    Err(TextError::Sink(error)) => return Err(error),
                };
                let read = rest.len().saturating_sub(after.len());
                self.offset = self.offset.saturating_add(read as u64);
                rest = after;
                continue;
            }
            if let State::Number { number, from } = &mut self.state {
                if !number.push(byte) {
                    let (number, from) = (*number, *from);
                    self.end_number(number, from, visitor)?;
                    // The byte that ended the number is read again as what follows it.
                    continue;
                }
            } else {
                self.byte(byte, visitor)?;
            }
            self.offset = self.offset.saturating_add(1);
            rest = tail;
        }
        Ok(())
    }

    /// Whether the text is complete. (A number cannot be last: the root is an object.)
    pub(super) fn finish(&self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            _ if self.offset == 0 => Err(BodyError::Empty),
            _ => Err(self.fault(JsonFault::Truncated)),
        }
    }

    fn byte(&mut self, byte: u8, visitor: &mut impl Visitor) -> Result<(), BodyError> {
        if let State::Literal { left, scalar, from } = &mut self.state {
            let (scalar, from) = (*scalar, *from);
            return match left.split_first() {
                Some((expected, after)) if *expected == byte => {
                    *left = after;
                    if after.is_empty() {
                        self.state = State::AfterValue;
                        let to = self.offset.saturating_add(1);
                        visitor.scalar(scalar, from, to)?;
                    }
                    Ok(())
                }
                _ => Err(self.unexpected(byte)),
            };
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return match self.state {
                State::Start if self.offset >= MAX_LEADING_SPACE => {
                    Err(self.fault(JsonFault::LeadingSpace))
                }
                _ => Ok(()),
            };
        }
        match (&self.state, byte) {
            (State::Start, b'{') => self.open(Begin::Object, visitor),
            (State::Start, b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                Err(BodyError::NotAnObject)
            }
            (State::Start, 0xef | 0xfe | 0xff) => Err(self.fault(JsonFault::ByteOrderMark)),
            (State::Key { .. }, b'"') => self.open_text(Begin::Key, visitor),
            (State::Key { or_end: true }, b'}') | (State::Value { or_end: true }, b']') => {
                self.close(visitor)
            }
            (State::Colon, b':') => {
                self.state = State::Value { or_end: false };
                Ok(())
            }
            (State::AfterValue, b',') => {
                self.state = if self.in_object() {
                    State::Key { or_end: false }
                } else {
                    State::Value { or_end: false }
                };
                Ok(())
            }
            (State::AfterValue, b'}') if self.in_object() => self.close(visitor),
            (State::AfterValue, b']') if !self.in_object() => self.close(visitor),
            (State::Value { .. }, _) => self.value(byte, visitor),
            (State::Done, _) => Err(self.fault(JsonFault::Trailing)),
            _ => Err(self.unexpected(byte)),
        }
    }

    fn value(&mut self, byte: u8, visitor: &mut impl Visitor) -> Result<(), BodyError> {
        let from = self.offset;
        let literal = |left: &'static [u8], scalar| State::Literal { left, scalar, from };
        self.state = match byte {
            b'"' => return self.open_text(Begin::String, visitor),
            b'{' => return self.open(Begin::Object, visitor),
            b'[' => return self.open(Begin::Array, visitor),
            b'n' => literal(b"ull", Scalar::Null),
            b't' => literal(b"rue", Scalar::Bool(true)),
            b'f' => literal(b"alse", Scalar::Bool(false)),
            _ => match Number::begin(byte) {
                Some(number) => State::Number { number, from },
                None => return Err(self.unexpected(byte)),
            },
        };
        Ok(())
    }

    fn end_number(
        &mut self,
        number: Number,
        from: u64,
        visitor: &mut impl Visitor,
    ) -> Result<(), BodyError> {
        let number = number.end().ok_or(self.fault(JsonFault::Syntax))?;
        self.state = State::AfterValue;
        visitor.scalar(Scalar::Number(number.into()), from, self.offset)
    }

    fn open(&mut self, what: Begin, visitor: &mut impl Visitor) -> Result<(), BodyError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fault(JsonFault::TooDeep));
        }
        let object = what == Begin::Object;
        self.depth = self.depth.saturating_add(1);
        self.objects = self.objects << 1 | u128::from(object);
        self.state = if object {
            State::Key { or_end: true }
        } else {
            State::Value { or_end: true }
        };
        visitor.begin(what, self.offset.saturating_add(1))
    }

    fn open_text(&mut self, what: Begin, visitor: &mut impl Visitor) -> Result<(), BodyError> {
        let key = what == Begin::Key;
        self.state = State::Text {
            key,
            text: Text::default(),
        };
        visitor.begin(what, self.offset.saturating_add(1))
    }

    fn close(&mut self, visitor: &mut impl Visitor) -> Result<(), BodyError> {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        self.state = if self.depth == 0 {
            State::Done
        } else {
            State::AfterValue
        };
        visitor.end()
    }

    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn unexpected(&self, byte: u8) -> BodyError {
        // UTF-16 shows as zero bytes between the ASCII ones.
        let utf8 = !matches!(byte, 0 | 0x80..);
        self.fault(if utf8 {
            JsonFault::Syntax
        } else {
            JsonFault::NotUtf8
        })
    }

    const fn fault(&self, fault: JsonFault) -> BodyError {
        BodyError::InvalidJson(fault, self.offset)
    }
}
