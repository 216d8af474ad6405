//! Objects of the provider's that a JSON body names: whoever owns them must be asked for.
//!
//! What a tool is called with is data and names nothing, whatever its keys are; so nothing below a nested `input`, a
//! schema or metadata counts.

use crate::objects::{IdHasher, ObjectId};

/// The most objects that one body may name.
pub const MAX_REFERENCES: usize = 32;

/// The parameter that names an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `previous_response_id`
    PreviousResponse,
    /// `conversation`, or its `id`
    Conversation,
    /// `input_file_id`: what a batch is made of
    BatchInput,
    /// `file_id`, `file_ids` and the files of a fine-tuning
    File,
    /// Stores, assistants, threads, containers
    Other,
}

impl Names {
    /// By the key that a string, or a list of strings, stands under.
    fn of(key: &[u8], top: bool) -> Option<Self> {
        Some(match key {
            b"previous_response_id" if top => Self::PreviousResponse,
            b"conversation" if top => Self::Conversation,
            b"input_file_id" if top => Self::BatchInput,
            b"training_file" | b"validation_file" if top => Self::File,
            b"file_id" | b"file_ids" => Self::File,
            b"vector_store_id" | b"vector_store_ids" | b"assistant_id" | b"thread_id"
            | b"container" | b"container_id" => Self::Other,
            _ => return None,
        })
    }
}

/// One object that a body names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which object.
    pub id: ObjectId,
    /// By which parameter.
    pub names: Names,
}

/// Whether what stands under this key is data, not protocol.
fn is_data(key: &[u8], top: bool) -> bool {
    match key {
        b"input" => !top,
        b"args" | b"arguments" | b"response" | b"metadata" | b"parameters" | b"properties"
        | b"input_schema" | b"schema" | b"json_schema" => true,
        _ => false,
    }
}

/// Gathers them as the body passes by.
#[derive(Debug, Default)]
pub(super) struct References {
    found: Vec<Reference>,
    overflowed: bool,
    depth: usize,
    /// What the strings under the last key name, and the depth of that key.
    names: Option<(Names, usize)>,
    /// The last key holds data.
    holds_data: bool,
    /// The depth of the outermost container of data.
    data: Option<usize>,
    hasher: Option<IdHasher>,
}

impl References {
    /// A key is complete.
    pub(super) fn key(&mut self, key: &[u8]) {
        let top = self.depth == 1;
        let inside_conversation =
            matches!(self.names, Some((Names::Conversation, at)) if at + 1 == self.depth);
        self.names = match key {
            b"id" if inside_conversation => self.names,
            _ => Names::of(key, top).map(|names| (names, self.depth)),
        };
        self.holds_data = is_data(key, top);
    }

    /// An object or an array begins.
    pub(super) fn open(&mut self) {
        if self.holds_data {
            self.data.get_or_insert(self.depth);
        }
        self.holds_data = false;
        self.depth = self.depth.saturating_add(1);
    }

    /// It ends.
    pub(super) fn close(&mut self) {
        self.holds_data = false;
        self.depth = self.depth.saturating_sub(1);
        if self.data.is_some_and(|at| at >= self.depth) {
            self.data = None;
        }
        if self.names.is_some_and(|(_, at)| at >= self.depth) {
            self.names = None;
        }
    }

    /// A string that is a value begins.
    pub(super) fn begin(&mut self) {
        let named = self.names.is_some_and(|(_, at)| self.depth <= at + 1);
        self.hasher = (named && self.data.is_none()).then(IdHasher::default);
    }

    /// More of it.
    pub(super) fn text(&mut self, piece: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.push(piece);
        }
    }

    /// It is complete.
    pub(super) fn end(&mut self) {
        let (Some(hasher), Some((names, _))) = (self.hasher.take(), self.names) else {
            return;
        };
        let found = Reference {
            id: hasher.finish(),
            names,
        };
        if self.found.contains(&found) {
            return;
        }
        if self.found.len() < MAX_REFERENCES {
            self.found.push(found);
        } else {
            self.overflowed = true;
        }
    }

    /// Those found, unless there are too many.
    pub(super) fn finish(&self) -> Option<&[Reference]> {
        (!self.overflowed).then_some(&self.found)
    }
}
