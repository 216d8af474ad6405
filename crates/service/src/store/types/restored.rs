//! What a restored database lacks.

use crate::clock::Millis;
use crate::journal::Change;

/// A change that was lost, until somebody has seen to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The change.
    pub change: Change,
    /// When it was found to be lost.
    pub found_at: Millis,
}
