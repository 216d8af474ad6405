//! The objects that the mock keeps between requests: stored answers, unfinished work, files and batches.
//!
//! Bounded: beyond [`MAX_KEPT`] the oldest are removed.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use serde_json::Value;

use crate::capture::lock;

/// The most objects kept.
pub(crate) const MAX_KEPT: usize = 10_000;

/// One object.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// A document that is not finished. The first `polls` reads return its interim form.
    Document {
        finished: Value,
        meanwhile: Option<Value>,
        polls: u64,
    },
    /// A file's text, and the document that describes it.
    File { about: Value, text: String },
}

impl Kept {
    /// A document that is finished.
    pub(crate) fn done(finished: Value) -> Self {
        Self::Document {
            finished,
            meanwhile: None,
            polls: 0,
        }
    }
}

/// All objects, by id.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    kept: Mutex<(HashMap<String, Kept>, VecDeque<String>)>,
}

impl Shelf {
    /// Keeps an object.
    pub(crate) fn put(&self, id: &str, kept: Kept) {
        let mut shelf = lock(&self.kept);
        let (by_id, order) = &mut *shelf;
        if by_id.insert(id.to_owned(), kept).is_none() {
            order.push_back(id.to_owned());
        }
        while by_id.len() > MAX_KEPT {
            let Some(oldest) = order.pop_front() else {
                return;
            };
            by_id.remove(&oldest);
        }
    }

    /// The object with that id.
    pub(crate) fn get(&self, id: &str) -> Option<Kept> {
        lock(&self.kept).0.get(id).cloned()
    }

    /// Removes it.
    pub(crate) fn remove(&self, id: &str) -> Option<Kept> {
        lock(&self.kept).0.remove(id)
    }

    /// The current document with that id, and whether it is finished. Each call counts as a poll.
    pub(crate) fn ask(&self, id: &str) -> Option<(Value, bool)> {
        match lock(&self.kept).0.get_mut(id)? {
            Kept::Document {
                finished,
                meanwhile,
                polls,
            } => Some(match meanwhile {
                Some(meanwhile) if *polls > 0 => {
                    *polls -= 1;
                    (meanwhile.clone(), false)
                }
                _ => (finished.clone(), true),
            }),
            Kept::File { about, .. } => Some((about.clone(), true)),
        }
    }
}
