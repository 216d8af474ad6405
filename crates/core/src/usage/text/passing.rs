//! What of a chunk passes, and what is held back until its event is known not to be the injected usage event.

use super::super::plan::Output;

/// The most bytes held back, and the longest event that is dropped.
pub(in crate::usage) const HOLD_MAX: usize = 16 * 1024;

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

/// The event under way, and whether it passes.
#[derive(Debug)]
pub(super) struct Passing {
    /// Whether the usage event is to be taken out.
    drops: bool,
    fate: Fate,
    held: Vec<u8>,
}

/// The chunk under way and what of it is decided.
pub(super) struct Cut<'a> {
    chunk: &'a [u8],
    /// What goes out in place of `chunk[..from]`, once anything differs.
    out: Vec<u8>,
    from: usize,
    rewritten: bool,
    /// Where the held event begins in the chunk; zero if it began before.
    event_at: usize,
}

impl<'a> Cut<'a> {
    pub(super) fn new(chunk: &'a [u8]) -> Self {
        Self {
            chunk,
            out: Vec::new(),
            from: 0,
            rewritten: false,
            event_at: 0,
        }
    }

    fn take(&mut self, until: usize) {
        if let Some(bytes) = self.chunk.get(self.from..until) {
            self.out.extend_from_slice(bytes);
        }
        self.from = until;
        self.rewritten = true;
    }

    /// Leaves out what stands before `until`.
    pub(super) fn skip(&mut self, until: usize) {
        self.from = until;
        self.rewritten = true;
    }

    /// What to forward in place of the chunk.
    pub(super) fn output(mut self) -> Output {
        if !self.rewritten {
            return Output::Unchanged;
        }
        self.take(self.chunk.len());
        Output::Replaced(self.out)
    }
}

impl Passing {
    pub(super) fn new(drops: bool) -> Self {
        Self {
            drops,
            fate: Fate::None,
            held: Vec::new(),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Whether an event is under way.
    pub(super) fn in_event(&self) -> bool {
        self.fate != Fate::None
    }

    /// Whether the event under way is held back.
    pub(super) fn holds(&self) -> bool {
        self.fate == Fate::Held
    }

    /// An event begins at `at` in the chunk, if none is under way. `passes` if it is not the usage event.
    pub(super) fn begin(&mut self, at: usize, passes: bool, cut: &mut Cut<'_>) {
        if passes {
            return self.release(cut);
        }
        if self.fate == Fate::None {
            self.fate = if self.drops { Fate::Held } else { Fate::Passes };
            cut.event_at = at;
        }
    }

    /// The event under way is not the usage event.
    pub(super) fn release(&mut self, cut: &mut Cut<'_>) {
        self.fate = Fate::Passes;
        if !self.held.is_empty() {
            cut.out.append(&mut self.held);
            cut.rewritten = true;
        }
    }

    /// The event ends before `end` in the chunk. If `dropped`, it is taken out.
    pub(super) fn end(&mut self, end: usize, dropped: bool, cut: &mut Cut<'_>) {
        if dropped {
            cut.take(cut.event_at);
            cut.skip(end);
            self.held.clear();
        } else if self.holds() {
            self.release(cut);
        }
        self.fate = Fate::None;
    }

    /// The length of the held event if it ends before `end` in the chunk.
    pub(super) fn event_len(&self, end: usize, cut: &Cut<'_>) -> usize {
        self.held.len() + end.saturating_sub(cut.event_at)
    }

    /// The chunk ends. An event that may be the one to drop is held back.
    pub(super) fn end_chunk(&mut self, cut: &mut Cut<'_>) {
        if !self.holds() {
            return;
        }
        let begun = cut.chunk.get(cut.event_at..).unwrap_or_default();
        if self.held.len() + begun.len() > HOLD_MAX {
            return self.release(cut);
        }
        self.held.extend_from_slice(begun);
        cut.take(cut.event_at);
        cut.skip(cut.chunk.len());
    }

    /// What has come so far has passed already.
    pub(super) fn has_passed(&mut self) {
        self.held.clear();
        if self.holds() {
            self.fate = Fate::Passes;
        }
    }

    /// The bytes that are still held.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}
