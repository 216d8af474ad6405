//! Asking the upstream for the usage of a stream, without reading the body again.
//!
//! Where the option is missing, it goes just behind the root's `{` ([`UsageEdit::InsertAtOpen`]), so that a host needs to
//! reach the first bytes of the body only. An option that is there but says otherwise is changed where it stands
//! ([`UsageEdit::Splice`]). How a host carries this out is decided in [`crate::stream`].

/// What [`UsageEdit::InsertAtOpen`] inserts. A body that needs it has at least a `stream` parameter, so
/// something always follows the comma.
pub const INSERT_AT_OPEN: &[u8] = br#""stream_options":{"include_usage":true},"#;

/// How to change the body so that the stream reports its usage. Offsets count from the start of the
/// original body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageEdit {
    /// Nothing: no stream, an endpoint without the option, or the client asks already.
    None,
    /// Put [`INSERT_AT_OPEN`] just behind the root object's `{`.
    InsertAtOpen {
        /// Offset just past the `{`, at most [`super::MAX_LEADING_SPACE`] + 1.
        at: u64,
    },
    /// Put `insert` in place of `remove` bytes from `offset` on.
    Splice {
        /// Where to change.
        offset: u64,
        /// How many bytes to drop: 0, 4 (`null`) or 5 (`false`).
        remove: u64,
        /// What to put there.
        insert: &'static [u8],
    },
}

impl UsageEdit {
    /// The edit as one splice: offset, bytes to drop, bytes to put there.
    #[must_use]
    pub const fn as_splice(self) -> (u64, u64, &'static [u8]) {
        match self {
            Self::None => (0, 0, b""),
            Self::InsertAtOpen { at } => (at, 0, INSERT_AT_OPEN),
            Self::Splice {
                offset,
                remove,
                insert,
            } => (offset, remove, insert),
        }
    }
}

/// The body with the edit made. An edit of another, shorter body changes nothing.
#[must_use]
pub fn apply(body: &[u8], edit: UsageEdit) -> Vec<u8> {
    let (offset, remove, insert) = edit.as_splice();
    let halves = || {
        let (head, tail) = body.split_at_checked(usize::try_from(offset).ok()?)?;
        let tail = tail.get(usize::try_from(remove).ok()?..)?;
        Some([head, insert, tail].concat())
    };
    halves().unwrap_or_else(|| body.to_vec())
}

/// What the body says of `stream_options`, with the places to change.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamOptions {
    /// `null` stands at this offset.
    pub(super) null_at: Option<u64>,
    /// An object opens before this offset.
    pub(super) inside: Option<u64>,
    /// The object has a key.
    pub(super) has_keys: bool,
    /// `include_usage` (`None` for `null`) and where its value begins and ends.
    pub(super) include_usage: Option<(Option<bool>, u64, u64)>,
}

impl StreamOptions {
    pub(super) const fn new() -> Self {
        Self {
            null_at: None,
            inside: None,
            has_keys: false,
            include_usage: None,
        }
    }

    /// The edit that turns the option on.
    pub(super) fn edit(&self, open: u64) -> UsageEdit {
        let splice = |offset, remove, insert| UsageEdit::Splice {
            offset,
            remove,
            insert,
        };
        match (*self, self.include_usage) {
            (_, Some((Some(true), ..))) => UsageEdit::None,
            (_, Some((_, from, to))) => splice(from, to.saturating_sub(from), b"true"),
            (
                Self {
                    null_at: Some(at), ..
                },
                None,
            ) => splice(at, 4, br#"{"include_usage":true}"#),
            (
                Self {
                    inside: Some(at),
                    has_keys: true,
                    ..
                },
                None,
            ) => splice(at, 0, br#""include_usage":true,"#),
            (
                Self {
                    inside: Some(at),
                    has_keys: false,
                    ..
                },
                None,
            ) => splice(at, 0, br#""include_usage":true"#),
            _ => UsageEdit::InsertAtOpen { at: open },
        }
    }
}
