//! The versions of the wire forms between service and filter. Each form has its own version.
//!
//! # How a form grows
//! - A field that an older reader may ignore is appended to an entry (a key, a team, an object, an event) or to a
//!   record, without a new version. Readers skip unknown fields at the end, and fill in missing ones.
//! - A change that an older reader would misunderstand, or must not ignore, takes the next version of its form. The
//!   other forms keep theirs.
//! - A reader reads every version from the oldest to the newest of its form. It sends its newest version in its
//!   question, and the writer writes for it. A reader that sends none gets the oldest.
//! - A restriction must not be lost if the reader's version cannot express it. The key is closed for that reader, and
//!   no other key is ([`crate::record::KeyRecord::to_wire_for`]).

use super::SyncError;

/// A wire form, with the versions that this code reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The form's name, which is also the query parameter for a reader's newest version.
    pub name: &'static str,
    /// The oldest version. It is written for a reader that sends none.
    pub oldest: u8,
    /// The newest version.
    pub newest: u8,
}

/// Keys, credit states and tiers: the answers to `changes` and `resolve`. Records within have the newest of their own
/// versions that this one can hold.
///
/// Version 2 adds a length to each entry, and addresses, endpoints and model budgets to records. Version 3 adds tiers
/// and teams that are watched; an older reader goes on with the tiers of its configuration, and reports no levels.
pub const KEYS: Wire = Wire {
    name: "keys",
    oldest: 1,
    newest: 3,
};

/// Batches of usage events.
///
/// Events of version 1 end with the decision.
pub const USAGE: Wire = Wire {
    name: "usage",
    oldest: 1,
    newest: 2,
};

/// The answers about provider's objects.
pub const OBJECTS: Wire = Wire {
    name: "objects",
    oldest: 1,
    newest: 1,
};

/// Reports of the levels of limits.
pub const LEVELS: Wire = Wire {
    name: "levels",
    oldest: 1,
    newest: 1,
};

impl Wire {
    /// Checks that this code reads a version, and returns it.
    ///
    /// # Errors
    /// [`SyncError::Version`] otherwise. It names the versions that are read.
    pub fn read(self, version: u8) -> Result<u8, SyncError> {
        if (self.oldest..=self.newest).contains(&version) {
            Ok(version)
        } else {
            Err(SyncError::Version(self, version))
        }
    }

    /// Returns the version to write for a reader whose newest version is `asked`; `None` if the reader sends none.
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

    /// The query parameter of a reader's question, such as `keys=3`.
    #[must_use]
    pub fn parameter(self) -> String {
        format!("{}={}", self.name, self.newest)
    }
}
