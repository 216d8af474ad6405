//! An incremental JSON walker: bytes in any split, findings at known places out.
//!
//! What it is: a push lexer that carries its position between calls and follows a tree of known
//! [`Schema`]s. What stands at no known place is skipped by counting brackets, so that a value is only ever
//! found where a provider documents it: a `usage` inside a string, or in a tool's arguments, is not one.
//!
//! What it is not: a validator. Pull parsers cannot suspend between chunks, and an answer that the
//! gate only watches need not be well-formed.
//!
//! # Failure policy
//! It never fails. On what cannot be JSON it stops reporting; the bytes are forwarded by others.
//! Memory is bounded whatever arrives: one frame a known level, and [`SHORT`] bytes of a key.

use super::schema::{Kind, Names, Schema};
use crate::json::{Bounded, Escape, Number};

mod scalar;

/// Keys and tags longer than this, in bytes, are none that anyone knows.
const SHORT: usize = 64;

/// More levels than any known place has.
const MAX_FRAMES: usize = 16;

/// Who is told what the walker finds.
pub(super) trait Sink {
    /// A value begins at a known place.
    fn value(&mut self, schema: &'static Schema, kind: Kind);
    /// The array at a known place has an item.
    fn item(&mut self, array: &'static Schema);
    /// A piece of a decoded string of generated text.
    fn text(&mut self, piece: &[u8]);
    /// A piece of a decoded id.
    fn id(&mut self, piece: &[u8]);
    /// The id is complete.
    fn end_id(&mut self, names: Names);
    /// A short string, whole.
    fn tag(&mut self, schema: &'static Schema, tag: &[u8]);
    /// A number that is a plausible count.
    fn count(&mut self, schema: &'static Schema, count: u64);
    /// A piece of base64 that was generated.
    fn blob(&mut self, letters: usize);
    /// A piece of a decoded string that counts where nothing else does.
    fn loose(&mut self, piece: &[u8]);
    /// A piece of a string at no known place, or of what is no JSON.
    fn unknown(&mut self, piece: &[u8]);
    /// A string ended.
    fn end_string(&mut self);
    /// An outermost object ended, or one in an outermost array.
    fn document(&mut self);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Skipping,
    Str(Want),
    Number,
    Literal,
    Dead,
}

/// What a string is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Nothing,
    Key,
    Tag,
    Text,
    Id(Names),
    Blob,
    Loose,
}

impl Want {
    /// What the strings of a value at this place are read for.
    fn of(schema: Option<&'static Schema>) -> Self {
        match schema {
            Some(Schema::Text) => Self::Text,
            Some(Schema::Blob) => Self::Blob,
            Some(Schema::Loose) => Self::Loose,
            Some(Schema::Tag(_)) => Self::Tag,
            Some(Schema::Id(names)) => Self::Id(*names),
            _ => Self::Nothing,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    schema: &'static Schema,
    object: bool,
}

#[derive(Debug)]
pub(super) struct Walker {
    root: &'static Schema,
    state: State,
    frames: Vec<Frame>,
    /// Open brackets inside a container that is skipped.
    skipped: u64,
    /// What the skipped container's strings are read for.
    deep: Want,
    expect_key: bool,
    /// The place of the value that comes next, or of the scalar under way.
    pending: Option<&'static Schema>,
    short: Bounded<SHORT>,
    escape: Escape,
    /// The number under way; nothing once it is none.
    number: Option<Number>,
    closed: bool,
}

impl Walker {
    /// A walker for documents of this shape, one after another.
    pub(super) fn new(root: &'static Schema) -> Self {
        Self {
            root,
            state: State::Between,
            frames: Vec::with_capacity(MAX_FRAMES),
            skipped: 0,
            deep: Want::Nothing,
            expect_key: false,
            pending: None,
            short: Bounded::new(),
            escape: Escape::default(),
            number: None,
            closed: false,
        }
    }

    /// Forgets the document; the next byte begins another, of this shape.
    pub(super) fn reset(&mut self, root: &'static Schema) {
        self.root = root;
        self.state = State::Between;
        self.frames.clear();
        self.skipped = 0;
        self.expect_key = false;
        self.pending = None;
        self.escape = Escape::default();
        self.closed = false;
    }

    /// Whether an outermost container has ended and nothing was begun since.
    pub(super) fn is_closed(&self) -> bool {
        self.closed && self.frames.is_empty() && self.state == State::Between
    }

    /// Whether no value was begun since the start or the last reset.
    pub(super) fn is_fresh(&self) -> bool {
        !self.closed && self.frames.is_empty() && self.skipped == 0 && self.state == State::Between
    }

    /// Whether a container or a string is under way.
    pub(super) fn is_open(&self) -> bool {
        let inside = !self.frames.is_empty() || self.skipped > 0;
        self.state != State::Dead && (inside || matches!(self.state, State::Str(_)))
    }

    /// Whether the walker has stopped reporting, because this is no JSON.
    pub(super) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = self.step(rest, sink);
        }
    }

    /// Takes the next bytes, as far as they belong to the document under way; what follows it, or what made it no document.
    pub(super) fn push_document<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_closed() && !self.is_dead() {
            rest = self.step(rest, sink);
        }
        rest
    }

    fn step<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        match self.state {
            State::Between => self.between(rest, sink),
            State::Skipping => self.skip(rest),
            State::Str(want) => self.string(want, rest, sink),
            State::Number => self.number(rest, sink),
            State::Literal => self.literal(rest, sink),
            State::Dead => {
                sink.unknown(rest);
                &[]
            }
        }
    }

    fn between<'a>(&mut self, mut rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        while let Some((&byte, tail)) = rest.split_first() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => {}
                b',' => self.expect_key = self.in_object(),
                b':' => self.expect_key = false,
                b'"' => self.begin_string(sink),
                b'{' => self.open(true, sink),
                b'[' => self.open(false, sink),
                b'}' => self.close(true, sink),
                b']' => self.close(false, sink),
                b'-' | b'0'..=b'9' => {
                    self.pending = self.begin(Kind::Number, sink);
                    self.number = Number::begin(byte);
                    self.enter(State::Number);
                }
                // NaN and Infinity too: Python upstreams write them.
                b'a'..=b'z' | b'A'..=b'Z' => {
                    let kind = if byte == b'n' {
                        Kind::Null
                    } else {
                        Kind::Literal
                    };
                    self.begin(kind, sink);
                    self.short.clear();
                    self.enter(State::Literal);
                    // The literal reads its own first byte.
                    return rest;
                }
                _ => self.state = State::Dead,
            }
            rest = tail;
            if self.state != State::Between || self.is_closed() {
                break;
            }
        }
        rest
    }

    fn in_object(&self) -> bool {
        self.frames.last().is_some_and(|f| f.object)
    }

    fn enter(&mut self, state: State) {
        if self.state != State::Dead {
            self.state = state;
        }
    }

    /// A value begins: its schema, if one is known.
    fn begin(&mut self, kind: Kind, sink: &mut impl Sink) -> Option<&'static Schema> {
        let schema = match self.frames.last() {
            None => {
                self.closed = false;
                Some(self.root)
            }
            Some(frame) if frame.object => {
                if self.expect_key {
                    self.state = State::Dead;
                    return None;
                }
                self.pending.take()
            }
            Some(frame) => {
                sink.item(frame.schema);
                frame.schema.items()
            }
        }?
        .form(kind);
        sink.value(schema, kind);
        Some(schema)
    }

    fn open(&mut self, object: bool, sink: &mut impl Sink) {
        let kind = if object { Kind::Object } else { Kind::Array };
        let schema = self.begin(kind, sink);
        if self.state == State::Dead {
            return;
        }
        match schema {
            Some(schema) if schema.holds(kind) && self.frames.len() < MAX_FRAMES => {
                self.frames.push(Frame { schema, object });
                self.expect_key = object;
                self.pending = None;
            }
            other => {
                self.deep = match Want::of(other) {
                    Want::Tag => Want::Nothing,
                    want => want,
                };
                self.skipped = 1;
                self.state = State::Skipping;
            }
        }
    }

    fn close(&mut self, object: bool, sink: &mut impl Sink) {
        match self.frames.pop() {
            Some(frame) if frame.object == object => {}
            _ => {
                self.state = State::Dead;
                return;
            }
        }
        self.expect_key = false;
        self.pending = None;
        self.closed = self.frames.is_empty();
        if object && self.frames.iter().all(|f| !f.object) {
            sink.document();
        }
    }

    fn skip<'a>(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            match byte {
                b'"' => {
                    self.state = State::Str(self.deep);
                    self.start_string();
                    break;
                }
                b'{' | b'[' => self.skipped = self.skipped.saturating_add(1),
                b'}' | b']' => {
                    self.skipped = self.skipped.saturating_sub(1);
                    if self.skipped == 0 {
                        self.closed = self.frames.is_empty();
                        self.state = State::Between;
                        break;
                    }
                }
                _ => {}
            }
        }
        rest
    }
}
