//! A request's body while the host holds it: each range is read once, and an edit of it is a plan.
//!
//! A body can be far larger than what a filter may hold, so the filter reads it in pieces and keeps none of them. How the
//! host can reach into what it holds differs ([`Reach`]). One that can only add in front gets the first bytes of the body
//! cut off as soon as they are known, up to the opening brace; they are put back at the end, with the option for the usage
//! behind them where it is wanted.

use crate::holding::Body;
use crate::request::{MAX_LEADING_SPACE, UsageEdit, apply};

/// How far a host can reach into a body that it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It can replace the whole of it, which must then fit its memory, or add in front.
    #[default]
    Front,
    /// It can change any part of it, whatever its size.
    Everywhere,
}

/// The longest body that a host with [`Reach::Front`] rewrites whole, in bytes.
pub const REWRITE_MAX: usize = 512 << 10;

/// The longest beginning of a body whose front is cut off, in bytes. Envoy hands over what its connection's buffer
/// holds, 1 MiB by default, so that the opening brace has come by then.
const BEGINNING_MAX: usize = 2 << 20;

/// Where the opening brace ends at most.
const FRONT_MAX: usize = MAX_LEADING_SPACE as usize + 1;

/// One edit of what a host holds: `insert` takes the place of `remove` bytes from `at` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Where, from the start of what is held.
    pub at: usize,
    /// How many bytes go.
    pub remove: usize,
    /// What comes in their place.
    pub insert: Vec<u8>,
}

impl Splice {
    /// What is held after the edit; `None` where it reaches beyond the end.
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

/// What a host changes in a body that it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyEdits {
    /// How many bytes it holds before.
    pub held: usize,
    /// The edits, to be made one after the other.
    pub splices: Vec<Splice>,
}

/// How a held body goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) edits: BodyEdits,
    /// The new `content-length`, where the request has one and it changes.
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
    /// The first bytes of the original body, as long as they can be its front.
    first: Vec<u8>,
    /// How many of them were cut off.
    cut: usize,
    done: bool,
    /// What the host holds.
    held: usize,
    /// The last byte has arrived.
    ended: bool,
}

impl HeldBody {
    /// For a request of that `content-length`, if it has one.
    pub(super) fn new(length: Option<&[u8]>, reach: Reach) -> Self {
        let digits = length.and_then(|l| std::str::from_utf8(l).ok());
        Self {
            reach,
            has_length: length.is_some(),
            announced: digits.and_then(|l| l.parse().ok()),
            ..Self::default()
        }
    }

    /// Whether it has gone on or been given up.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Nothing of it goes on.
    pub(super) fn give_up(&mut self) {
        self.done = true;
    }

    /// Notes that `size` bytes are held, `ends` with the last of them.
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

    /// What counts as held.
    pub(super) fn body(&self) -> Body {
        let arrived = self.held.saturating_add(self.cut);
        Body {
            arrived: u64::try_from(arrived).unwrap_or(u64::MAX),
            announced: self.announced,
        }
    }

    /// What of the held bytes was not read yet: from where on, and how many.
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

    /// Cuts the front off, which ends at `end`: the edit that does it, where it is needed and can be done.
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

    /// Lets the body go on with this edit, and its front put back. A body that is too large to be rewritten is not edited
    /// beyond its front: its stream is settled by what it streams.
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
        // Where the front ends with the last piece, it can still be cut off and put back.
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
