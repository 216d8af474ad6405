//! The parts of an error from which every dialect writes it.

use serde::Serialize;

use super::Kind;
use crate::limiter::gcra::Exceeded;

/// The parts of an error that all dialects share.
pub(super) struct ErrorParts<'a> {
    pub(super) kind: &'a Kind,
    pub(super) message: &'a str,
    /// When to try again, if that is known.
    pub(super) wait: Option<Exceeded>,
}

/// Serialises a value of strings and integers, which cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
