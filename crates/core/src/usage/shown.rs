//! What an answer shows of the objects that the provider keeps: their ids, as digests, and how far they are.

use super::schema::Names;
use crate::object_id::{IdHasher, ObjectId};

/// How far the work on an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on, and what it reports is not all.
    UnderWay,
    /// It has ended by itself.
    Done,
    /// It has failed.
    Failed,
    /// Somebody has ended it.
    Cancelled,
}

impl Progress {
    /// By OpenAI's and Anthropic's words; nothing for others, such as a file's `processed`.
    fn read(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"queued" | b"in_progress" | b"validating" | b"finalizing" | b"cancelling"
            | b"canceling" | b"pending" => Self::UnderWay,
            b"completed" | b"incomplete" | b"expired" | b"ended" => Self::Done,
            b"failed" => Self::Failed,
            b"cancelled" | b"canceled" => Self::Cancelled,
            _ => return None,
        })
    }
}

/// The objects of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The object that it shows, or begins.
    pub itself: Option<ObjectId>,
    /// The request whose answer is fetched later.
    pub deferred: Option<ObjectId>,
    /// The file with a batch's answers.
    pub output: Option<ObjectId>,
    /// The file with a batch's failures.
    pub failures: Option<ObjectId>,
    /// The address of a batch's answers.
    pub results: Option<ObjectId>,
    /// How far it is, where it says so.
    pub progress: Option<Progress>,
}

impl Shown {
    fn slot(&mut self, names: Names) -> &mut Option<ObjectId> {
        match names {
            Names::Itself => &mut self.itself,
            Names::Deferred => &mut self.deferred,
            Names::Output => &mut self.output,
            Names::Failures => &mut self.failures,
            Names::Results => &mut self.results,
        }
    }
}

/// Gathers them. Of several ids in one place the first counts: every chunk of a stream repeats it.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    pub(super) shown: Shown,
    hasher: Option<IdHasher>,
}

impl Gathered {
    /// An id begins.
    pub(super) fn begin(&mut self, names: Names) {
        self.hasher = self.shown.slot(names).is_none().then(IdHasher::default);
    }

    /// A piece of it.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.push(piece);
        }
    }

    /// It is complete.
    pub(super) fn end(&mut self, names: Names) {
        if let Some(hasher) = self.hasher.take() {
            *self.shown.slot(names) = Some(hasher.finish());
        }
    }

    /// A word on how far it is.
    pub(super) fn status(&mut self, word: &[u8]) {
        self.shown.progress = Progress::read(word).or(self.shown.progress);
    }
}
