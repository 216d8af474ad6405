//! The versions of what service and filter send each other: each form has its own, and all are stated here.
//!
//! # How a form grows
//! - What an older reader may ignore is appended to an entry (a key, a team, an object, an event) or to a record, without
//!   a new version. Readers skip what follows the fields that they know, and fill in what is missing.
//! - What an older reader would misunderstand, or must not ignore, takes the next version of its form alone: a new
//!   version of usage changes nothing for keys.
//! - A reader takes every version from the oldest to the newest of its form. It says in its question which one is its
//!   newest, and the writer writes for it. A reader that says nothing takes the oldest.
//! - What the asked version cannot say must not be lost: a restriction that an older filter cannot enforce closes that
//!   key for it, and no other ([`crate::record::KeyRecord::to_wire_for`]).

use super::SyncError;

/// A form and the versions of it that this code reads. It writes each of them for a reader that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// What it carries. Also the parameter by which a reader says its newest version.
    pub name: &'static str,
    /// The oldest version that is read, and that is written for a reader that says nothing.
    pub oldest: u8,
    /// The newest version that is read and written.
    pub newest: u8,
}

/// Keys and credit states: the answers to `changes` and `resolve`. It is also the newest version of the records within.
///
/// Version 2 gave each entry a length, and records what binds a key to addresses, endpoints and budgets of models.
pub const KEYS: Wire = Wire {
    name: "keys",
    oldest: 1,
    newest: 2,
};

/// Batches of usage events.
///
/// Version 1 ended an event with its decision.
pub const USAGE: Wire = Wire {
    name: "usage",
    oldest: 1,
    newest: 2,
};

/// The answers on objects of the provider's.
pub const OBJECTS: Wire = Wire {
    name: "objects",
    oldest: 1,
    newest: 1,
};

impl Wire {
    /// The version, if this code reads it.
    ///
    /// # Errors
    /// [`SyncError::Version`] otherwise, which names the versions that it reads.
    pub fn read(self, version: u8) -> Result<u8, SyncError> {
        if (self.oldest..=self.newest).contains(&version) {
            Ok(version)
        } else {
            Err(SyncError::Version(self, version))
        }
    }

    /// The version to write for a reader whose newest one is `asked`; `None` if it did not say.
    ///
    /// ```
    /// use gmtech_core::sync::versions::KEYS;
    ///
    /// assert_eq!(KEYS.for_reader(None), KEYS.oldest);
    /// assert_eq!(KEYS.for_reader(Some(KEYS.newest)), KEYS.newest);
    /// // A reader of tomorrow reads what is written today.
    /// assert_eq!(KEYS.for_reader(Some(KEYS.newest + 1)), KEYS.newest);
    /// ```
    #[must_use]
    pub fn for_reader(self, asked: Option<u8>) -> u8 {
        asked.unwrap_or(self.oldest).clamp(self.oldest, self.newest)
    }

    /// What a reader adds to its question: `keys=2`.
    #[must_use]
    pub fn parameter(self) -> String {
        format!("{}={}", self.name, self.newest)
    }
}
