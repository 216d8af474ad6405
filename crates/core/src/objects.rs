//! Objects that the provider keeps: the maker of each, and whether its usage is settled.
//!
//! A background response, a stored completion, a batch or a file outlives the request that made it, and later requests
//! are shown its usage. An [`Object`] records the maker, so that other teams cannot reach it and its usage is booked
//! once, to its maker. The key service stores all of them. The [`registry`] in the shared store has those that this
//! process has made or asked about.
//!
//! What it is not: it stores no content of the provider, only a digest of the id.
//!
//! # Failure policy
//! An object of unknown maker is not served, unless the operator allows that.

use serde::{Deserialize, Serialize};

use crate::ident::{KeyId, TeamId, TierName};
use crate::limits::LimitOverrides;
use crate::model::ModelId;
use crate::usage::Tokens;
use crate::vocabulary::vocabulary;

pub use crate::object_id::{IdHasher, ObjectEvent, ObjectId};

pub mod path;
pub mod registry;

/// The version of the wire form that this code writes and reads.
const WIRE_VERSION: u8 = 1;

/// The version that adds [`Object::lineage`].
const WITH_LINEAGE: u8 = 2;

vocabulary! {
    /// The kind of an object. The wire form uses the order, so a new kind is appended.
    #[derive(Serialize, Deserialize)]
    pub enum Kind {
        /// A response, perhaps of work in the background.
        Response = "response",
        /// A chat completion, stored or deferred.
        Completion = "completion",
        /// A batch, whose usage is the sum of its requests'.
        Batch = "batch",
        /// A file.
        File = "file",
        /// A conversation, a vector store and the like. It has an owner, and no usage of its own.
        Other = "other",
    }
}

impl Kind {
    /// Whether an answer that shows such an object can report its usage.
    #[must_use]
    pub fn settles(self) -> bool {
        matches!(self, Self::Response | Self::Completion | Self::Batch)
    }
}

/// The work that the requests of a batch's file ask for. Every line was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchWork {
    /// How many requests.
    pub requests: u64,
    /// Tokens of all prompts, as estimated.
    pub input: u64,
    /// Tokens of all answers, by their caps or by the default.
    pub output: u64,
}

impl BatchWork {
    /// The tokens that a batch over this file is expected to use.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.input, self.output)
    }
}

/// The record of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The key that made it, which is charged for it.
    pub key: KeyId,
    /// The team whose keys may reach it.
    pub team: TeamId,
    /// The maker's tier.
    pub tier: TierName,
    /// The maker's own limits, which replace those of the tier.
    pub limits: LimitOverrides,
    /// The model that works on it, or the one that a file's requests name.
    pub model: Option<ModelId>,
    /// Its kind.
    pub kind: Kind,
    /// The batch whose answers it holds.
    pub of: Option<ObjectId>,
    /// The work of a batch over this file; `None` if the file was not judged as a batch's.
    pub work: Option<BatchWork>,
    /// Tokens that the request that made it was charged.
    pub charged: u64,
    /// Whether its final usage is booked.
    pub settled: bool,
    /// The first key of the maker's rotation chain; `None` if that is the maker itself.
    #[serde(skip)]
    pub lineage: Option<KeyId>,
}

/// The part of a usage event about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectNote {
    /// The event's request has made the object. The event's usage is what was charged for it.
    Made {
        /// The object.
        id: ObjectId,
        /// Its kind.
        kind: Kind,
        /// The work, for a file that was judged as a batch's.
        work: Option<BatchWork>,
        /// Whether the event's usage is final.
        settled: bool,
    },
    /// Another object of the same maker names it. The event is not a request.
    Found {
        /// The object, which is a file.
        id: ObjectId,
        /// The batch whose answers it holds.
        of: Option<ObjectId>,
    },
    /// The event's usage is the object's final usage. The event is not a request.
    Settled {
        /// The object.
        id: ObjectId,
    },
}

impl ObjectNote {
    /// Whether an event with this note stands for a request.
    #[must_use]
    pub fn is_of_a_request(&self) -> bool {
        matches!(self, Self::Made { .. })
    }

    /// The wire form: a version byte, then postcard.
    ///
    /// # Errors
    /// [`NotAnObject`] if it cannot be written, which no note causes.
    pub fn to_wire(&self) -> Result<Vec<u8>, NotAnObject> {
        postcard::to_extend(self, vec![WIRE_VERSION]).map_err(|_| NotAnObject)
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`NotAnObject`] if the version is unknown or the bytes are cut. Unknown fields at the end are skipped.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let body = bytes.strip_prefix(&[WIRE_VERSION]).ok_or(NotAnObject)?;
        let (note, _) = postcard::take_from_bytes(body).map_err(|_| NotAnObject)?;
        Ok(note)
    }
}

/// Bytes are not an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an object of a supported version")]
pub struct NotAnObject;

impl Object {
    /// The key whose limits its usage counts against, as in [`crate::record::KeyRecord::account`].
    #[must_use]
    pub fn account(&self) -> &KeyId {
        self.lineage.as_ref().unwrap_or(&self.key)
    }

    /// The wire form for the shared store and for service and proxies: a version byte, then postcard. It is written in
    /// the oldest version that can express it, so that a filter older than the service can read most objects.
    ///
    /// # Errors
    /// [`NotAnObject`] if it cannot be written, which no valid object causes.
    pub fn to_wire(&self) -> Result<Vec<u8>, NotAnObject> {
        let version = match &self.lineage {
            None => WIRE_VERSION,
            Some(_) => WITH_LINEAGE,
        };
        let out = postcard::to_extend(self, vec![version]).map_err(|_| NotAnObject)?;
        match &self.lineage {
            None => Ok(out),
            Some(lineage) => postcard::to_extend(lineage, out).map_err(|_| NotAnObject),
        }
    }

    /// Reads the wire form. Every name is checked again.
    ///
    /// # Errors
    /// [`NotAnObject`] if the version is unknown or the bytes are cut. Unknown fields at the end are skipped.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let (&version, body) = bytes.split_first().ok_or(NotAnObject)?;
        if !matches!(version, WIRE_VERSION | WITH_LINEAGE) {
            return Err(NotAnObject);
        }
        let (object, rest): (Self, _) = postcard::take_from_bytes(body).map_err(|_| NotAnObject)?;
        let lineage = if version == WITH_LINEAGE {
            let (lineage, _) = postcard::take_from_bytes(rest).map_err(|_| NotAnObject)?;
            Some(lineage)
        } else {
            None
        };
        Ok(Self { lineage, ..object })
    }
}

#[cfg(test)]
mod tests;
