//! Objects that the provider keeps: who made which, and whether what they used is settled.
//!
//! A response that runs in the background, a stored completion, a batch or a file outlives the request that made
//! it, and whoever asks for it later is shown what it used. An [`Object`] says whose it is, so that other teams
//! cannot reach it and its usage is booked once, to its maker. The key service keeps them all; a
//! [`registry`] in the shared store keeps those that this process has made or asked about.
//!
//! What it is not: the provider's text. Only a digest of an id is kept, and nothing of what stands under it.
//!
//! # Failure policy
//! An object that is not known is not served, unless the operator allows it: nobody can say whose it is.

use serde::{Deserialize, Serialize};

use crate::ident::{KeyId, TeamId, TierName};
use crate::limits::LimitOverrides;
use crate::model::ModelId;
use crate::usage::Tokens;
use crate::vocabulary::vocabulary;

pub use crate::object_id::{IdHasher, ObjectId, Told};

pub mod path;
pub mod registry;

/// The version of the wire form that this code writes and reads.
const WIRE_VERSION: u8 = 1;

/// The version of an object whose maker continues another key.
const WITH_LINEAGE: u8 = 2;

vocabulary! {
    /// What kind of thing an object is, as far as settling it goes. The order is that of the wire: a further kind stands at the end.
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
        /// A conversation, a vector store and the like: owned, and never settled by itself.
        Other = "other",
    }
}

impl Kind {
    /// Whether an answer that shows it can tell what it used.
    #[must_use]
    pub fn settles(self) -> bool {
        matches!(self, Self::Response | Self::Completion | Self::Batch)
    }
}

/// What the requests of a batch's file ask for, all of which was judged line by line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchWork {
    /// How many requests.
    pub requests: u64,
    /// Tokens of all prompts, as estimated.
    pub input: u64,
    /// Tokens of all answers, by their caps or as usual.
    pub output: u64,
}

impl BatchWork {
    /// The tokens that a batch over this file is expected to use.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.input, self.output)
    }
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The key that made it, which is charged for it.
    pub key: KeyId,
    /// The team whose keys may reach it.
    pub team: TeamId,
    /// The maker's tier.
    pub tier: TierName,
    /// What replaces the tier's limits for the maker.
    pub limits: LimitOverrides,
    /// The model that works on it, or that a file's requests name.
    pub model: Option<ModelId>,
    /// What it is.
    pub kind: Kind,
    /// The batch whose answers it holds.
    pub of: Option<ObjectId>,
    /// What a batch over this file will do; `None` where the file was not judged for that.
    pub work: Option<BatchWork>,
    /// Tokens that were charged for it when it was made.
    pub charged: u64,
    /// Whether what it used is booked for good.
    pub settled: bool,
    /// The first key of the chain that rotation continues with the maker; `None` where that is the maker itself.
    #[serde(skip)]
    pub lineage: Option<KeyId>,
}

/// What a usage event says of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectNote {
    /// The event's request has made it. The event's usage is what has been charged for it.
    Made {
        /// Which one.
        id: ObjectId,
        /// What it is.
        kind: Kind,
        /// For a file that was judged as a batch's.
        work: Option<BatchWork>,
        /// Whether the event's usage is all that it will use.
        settled: bool,
    },
    /// Another object of the same maker has named it; the event is no request.
    Found {
        /// Which one, a file.
        id: ObjectId,
        /// The batch whose answers it holds.
        of: Option<ObjectId>,
    },
    /// The event's usage is what it has used in the end; the event is no request.
    Settled {
        /// Which one.
        id: ObjectId,
    },
}

impl ObjectNote {
    /// Whether the event that carries it stands for a request.
    #[must_use]
    pub fn is_of_a_request(&self) -> bool {
        matches!(self, Self::Made { .. })
    }

    /// The wire form, as an object's.
    ///
    /// # Errors
    /// [`NotAnObject`] if it cannot be written, which no note causes.
    pub fn to_wire(&self) -> Result<Vec<u8>, NotAnObject> {
        postcard::to_extend(self, vec![WIRE_VERSION]).map_err(|_| NotAnObject)
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`NotAnObject`] on an unknown version or cut bytes. What follows the fields that are known is skipped.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, NotAnObject> {
        let body = bytes.strip_prefix(&[WIRE_VERSION]).ok_or(NotAnObject)?;
        let (note, _) = postcard::take_from_bytes(body).map_err(|_| NotAnObject)?;
        Ok(note)
    }
}

/// Why bytes are no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an object of a version that is known here")]
pub struct NotAnObject;

impl Object {
    /// Whose limits its use counts for, as [`crate::record::KeyRecord::account`].
    #[must_use]
    pub fn account(&self) -> &KeyId {
        self.lineage.as_ref().unwrap_or(&self.key)
    }

    /// A version byte, then postcard; for the shared store and between service and proxies. It is the oldest version
    /// that says all of it, so that a filter that is older than the service goes on with most objects.
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

    /// Reads the wire form; every name is checked again.
    ///
    /// # Errors
    /// [`NotAnObject`] on an unknown version or cut bytes. What follows the fields that are known is skipped.
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
