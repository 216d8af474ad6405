//! The keys of all values in the store. They are defined in one place so that no two modules use the same.
//!
//! ARCHITECTURE.md lists them under *Shared data*, and a test compares the two.

use crate::ident::{KeyId, TeamId, TierName};
use crate::key::KeyDigest;

/// The synchronisation state of the directory.
pub(crate) const SYNC_STATE: &[u8] = b"d/state";
/// The highest version that the key service has reported.
pub(crate) const SEEN_VERSION: &[u8] = b"d/seen";
/// The poll lease: its holder and its end.
pub(crate) const POLL_LEASE: &[u8] = b"d/lease";
/// The budget of questions to the key service.
pub(crate) const RESOLVE_BUDGET: &[u8] = b"d/resolves";
/// How many keys the directory has records of.
pub(crate) const HELD: &[u8] = b"d/held";
/// The teams whose limits somebody watches.
pub(crate) const WATCHED: &[u8] = b"d/watched";
/// The budget of keys' questions about their own accounts.
pub(crate) const OWN_BUDGET: &[u8] = b"d/own";
/// The process's name, by which it confirms versions.
pub(crate) const PROXY_NAME: &[u8] = b"d/proxy";

/// The counter of a key.
pub(crate) fn spent_of_key(key: &str) -> Vec<u8> {
    named(b"q/", key.as_bytes())
}

/// The counter of another scope. Key ids contain no slash, so it never equals a key's.
pub(crate) fn spent_of(scope: &str, id: &str) -> Vec<u8> {
    named(b"q/", [scope, "/", id].concat().as_bytes())
}

/// The output forecasts of a key's models.
pub(crate) fn output_forecast(key: &KeyId) -> Vec<u8> {
    named(b"o/", key.as_str().as_bytes())
}

/// The place of a provider's object, by the digest of its id.
pub(crate) fn object(digest: &[u8; 16]) -> Vec<u8> {
    named(b"b/", &place(digest))
}

/// A key's record.
pub(crate) fn key(digest: &KeyDigest) -> Vec<u8> {
    named(b"k/", digest.as_bytes())
}

/// The place of a key that the service does not know.
pub(crate) fn unknown_key(digest: &KeyDigest) -> Vec<u8> {
    named(b"n/", &place(digest.as_bytes()))
}

/// A team's credit.
pub(crate) fn team(team: &TeamId) -> Vec<u8> {
    named(b"t/", team.as_str().as_bytes())
}

/// A tier's limits and models.
pub(crate) fn tier(tier: &TierName) -> Vec<u8> {
    named(b"i/", tier.as_str().as_bytes())
}

/// The first two bytes, which choose one of 65,536 places. Clients can send any number of names that do not exist, and
/// the store cannot delete, so a later name replaces an earlier one.
fn place(digest: &[u8]) -> [u8; 2] {
    digest.first_chunk::<2>().copied().unwrap_or_default()
}

fn named(room: &[u8; 2], id: &[u8]) -> Vec<u8> {
    [room.as_slice(), id].concat()
}
