//! What a line of an answer is, and the fields of a server-sent event that say something about it.

/// A line of an answer, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Start,
    /// After blanks.
    Indented,
    Name,
    /// After the colon, before the value's first byte.
    Colon(Field),
    /// After the one space that is no part of the value.
    Space(Field),
    Value(Field),
    /// In a document that stands bare, over as many lines as it has.
    Bare,
    /// Neither.
    Plain,
}

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Data that is JSON or nothing.
    Data,
    /// Data that begins like `[DONE]`, so far.
    Marker,
    /// Data from its `[DONE]` on.
    Done,
    Event,
    /// A comment, or a field that says nothing about the answer.
    Other,
}

/// The names of fields.
const FIELDS: [(&[u8], Field); 4] = [
    (b"data", Field::Data),
    (b"event", Field::Event),
    (b"id", Field::Other),
    (b"retry", Field::Other),
];

impl Field {
    /// The field with this name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let known = FIELDS.iter().find(|(field, _)| *field == name);
        known.map(|(_, field)| *field)
    }
}

/// Whether a field's name begins so.
pub(super) fn is_prefix(name: &[u8]) -> bool {
    FIELDS.iter().any(|(field, _)| field.starts_with(name))
}
