//! A request body that the host holds: which range to read next, and which edits to make.
//!
//! A body can be far larger than the filter's memory, so the filter reads each range once and keeps none. Hosts differ
//! in the parts of a held body that they can change ([`Reach`]). For a host that can only prepend, the first bytes up
//! to the opening brace are cut off as soon as they are known. At the end they are put back, followed by the usage
//! option if it is wanted.

use crate::holding::Body;
use crate::request::{MAX_LEADING_SPACE, UsageEdit, apply};

/// The parts of a held body that a host can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It can replace the whole body, which must fit the filter's memory, or prepend to it.
    #[default]
    Front,
    /// It can change any part of a body of any size.
    Everywhere,
}

/// The longest body that a host with [`Reach::Front`] rewrites whole, in bytes.
pub const REWRITE_MAX: usize = 512 << 10;

/// The longest first part of a body whose front is cut off, in bytes. Envoy delivers up to its connection buffer at
/// once, 1 MiB by default, so the opening brace has arrived by then.
const BEGINNING_MAX: usize = 2 << 20;

/// The largest offset just past the opening brace.
const FRONT_MAX: usize = MAX_LEADING_SPACE as usize + 1;

/// One edit of a held body: `insert` replaces `remove` bytes at `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The offset from the start of the held body.
    pub at: usize,
    /// How many bytes to remove.
    pub remove: usize,
    /// The bytes to insert.
    pub insert: Vec<u8>,
}

impl Splice {
    /// Applies the edit to a body; `None` if the edit reaches beyond its end.
    ///
    /// ```
    /// use gmtech_core::stream::Splice;
    ///
    /// let splice = Splice { at: 1, remove: 2, insert: b"xyz".to_vec() };
    /// assert_eq!(splice.apply(b"abcd").as_deref(), Some(b"axyzd".as_slice()));
    /// ```
    #[must_use]
    pub fn apply(&self, held: &[u8]) -> Option<Vec<u8>> {
        let (before, after) = held.split_at_checked(self.at)?;
        Some([before, &self.insert, after.get(self.remove..)?].concat())
    }
}

/// The edits of a held body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyEdits {
    /// The length of the held body before the edits.
    pub held: usize,
    /// The edits, in the order in which they are made.
    pub splices: Vec<Splice>,
}

/// How a held body is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) edits: BodyEdits,
    /// The new `content-length`, if the request has one and it changes.
    pub(super) length: Option<usize>,
}

/// A body that the host holds.
#[derive(Debug, Default)]
pub(super) struct HeldBody {
    reach: Reach,
    has_length: bool,
    announced: Option<u64>,
    /// Bytes read so far, of the original body.
    seen: usize,
    /// The first bytes of the original body, while they may be its front.
    first: Vec<u8>,
    /// How many first bytes were cut off.
    cut: usize,
    done: bool,
    /// The bytes that the host holds.
    held: usize,
    /// Whether the last byte has arrived.
    ended: bool,
}

impl HeldBody {
    /// Makes the state for a request with this `content-length`, if it has one.
    pub(super) fn new(length: Option<&[u8]>, reach: Reach) -> Self {
        let digits = length.and_then(|l| std::str::from_utf8(l).ok());
        Self {
            reach,
            has_length: length.is_some(),
            announced: digits.and_then(|l| l.parse().ok()),
            ..Self::default()
        }
    }

    /// Whether the body was forwarded or given up.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Gives the body up: nothing of it is forwarded.
    pub(super) fn give_up(&mut self) {
        self.done = true;
    }

    /// Sets the held bytes to `size`. `ends` if they include the last.
    pub(super) fn arrived(&mut self, size: usize, ends: bool) {
        self.held = size;
        self.ended |= ends;
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether its last byte has arrived.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The size of the body, for [`crate::holding`].
    pub(super) fn body(&self) -> Body {
        let arrived = self.held.saturating_add(self.cut);
        Body {
            arrived: u64::try_from(arrived).unwrap_or(u64::MAX),
            announced: self.announced,
        }
    }

    /// The range of the held bytes that was not read yet: its offset and length.
    pub(super) fn unread(&self) -> (usize, usize) {
        let from = self.seen.saturating_sub(self.cut);
        (from, self.held.saturating_sub(from))
    }

    /// Notes a range that was read.
    pub(super) fn read(&mut self, chunk: &[u8]) {
        let room = FRONT_MAX.saturating_sub(self.seen);
        self.first.extend(chunk.iter().take(room));
        self.seen = self.seen.saturating_add(chunk.len());
    }

    /// Cuts off the front, which ends at `end`. Returns the edit, if one is needed and possible.
    pub(super) fn cut_front(&mut self, end: usize) -> Option<BodyEdits> {
        let fits = end > 0 && end <= self.first.len() && self.seen <= BEGINNING_MAX;
        if self.reach == Reach::Everywhere || self.cut > 0 || !fits {
            return None;
        }
        let held = self.held;
        self.cut = end;
        self.held = held.saturating_sub(end);
        let splice = Splice {
            at: 0,
            remove: end,
            insert: Vec::new(),
        };
        Some(BodyEdits {
            held,
            splices: vec![splice],
        })
    }

    /// Plans the forwarding of the body with this edit, and puts its front back. A body that is too large to be
    /// rewritten is edited in its front only; otherwise its stream is settled by the streamed content.
    pub(super) fn release(&mut self, edit: UsageEdit) -> Release {
        self.done = true;
        let front = self.first.get(..self.cut).unwrap_or_default().to_vec();
        let (offset, remove, insert) = edit.as_splice();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let remove = usize::try_from(remove).unwrap_or(usize::MAX);
        let ends_at = offset.saturating_add(remove);
        let put_back = |front: Vec<u8>| Splice {
            at: 0,
            remove: 0,
            insert: front,
        };
        // If the front ends in the last piece, it can still be cut off and put back.
        let at_front = self.cut == 0 && ends_at <= FRONT_MAX && self.seen <= BEGINNING_MAX;
        let reachable = self.reach == Reach::Everywhere || self.seen <= REWRITE_MAX || at_front;
        let mut splices = Vec::new();
        let mut length = self.seen;
        if edit != UsageEdit::None && ends_at <= front.len() {
            splices.push(put_back(apply(&front, edit)));
            length = length.saturating_sub(remove).saturating_add(insert.len());
        } else {
            if edit != UsageEdit::None && reachable && ends_at <= self.seen {
                splices.push(Splice {
                    at: offset.saturating_sub(front.len()),
                    remove,
                    insert: insert.to_vec(),
                });
                length = length.saturating_sub(remove).saturating_add(insert.len());
            }
            if !front.is_empty() {
                splices.push(put_back(front));
            }
        }
        Release {
            edits: BodyEdits {
                held: self.held,
                splices,
            },
            length: Some(length).filter(|_| self.has_length && length != self.seen),
        }
    }
}

#[cfg(test)]
mod tests;
