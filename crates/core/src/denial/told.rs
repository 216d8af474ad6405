//! What every dialect is given to write an error from.

use serde::Serialize;

use super::Kind;
use crate::limiter::gcra::Exceeded;

/// An error as far as all dialects agree.
pub(super) struct Told<'a> {
    pub(super) kind: &'a Kind,
    pub(super) message: &'a str,
    /// When to try again, where that is known.
    pub(super) wait: Option<Exceeded>,
}

/// Strings and integers always serialise.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
