//! Proxies.

use super::Head;
use crate::clock::Millis;

/// What a proxy last reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// The name that it gave itself.
    pub id: String,
    /// What it has applied.
    pub applied: Head,
    /// When it said so.
    pub seen_at: Millis,
}
