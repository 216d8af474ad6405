//! Text of a request for the log: without keys, in visible ASCII.

use crate::head::Head;
use crate::key::{holds_key, redact_bytes};

/// The pseudo-headers that contain a key, with the key cut out. HTTP/2 accepts any text as a method.
pub(super) fn redacted(head: &Head<'_>) -> Vec<(&'static str, String)> {
    let values = [(":path", head.target()), (":method", head.method())];
    let holding = values.into_iter().filter(|(_, value)| holds_key(value));
    holding
        .map(|(name, value)| (name, printable(value)))
        .collect()
}

/// At most 200 visible ASCII characters of a client's text, with keys cut out.
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
