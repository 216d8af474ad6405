//! What the log may show of a request: no key, and visible ASCII only.

use crate::head::Head;
use crate::key::{holds_key, redact_bytes};

/// The pseudo-headers that hold a key, with the key cut. HTTP/2 lets any text through as a method.
pub(super) fn redacted(head: &Head<'_>) -> Vec<(&'static str, String)> {
    let values = [(":path", head.target()), (":method", head.method())];
    let holding = values.into_iter().filter(|(_, value)| holds_key(value));
    holding
        .map(|(name, value)| (name, printable(value)))
        .collect()
}

/// At most 200 characters of what a client sent, visible ASCII, keys cut.
pub(super) fn printable(bytes: &[u8]) -> String {
    let clean = redact_bytes(bytes);
    let shown = |b: &u8| {
        if b.is_ascii_graphic() {
            char::from(*b)
        } else {
            '?'
        }
    };
    clean.iter().take(200).map(shown).collect()
}
