//! Whether bytes that are labelled as audio or the like are text all the same.
//!
//! Sound may begin with any byte, so that a single `{` tells nothing.

/// Bytes after which the question is decided.
pub(super) const DECISIVE: usize = 64;

/// Whether an answer that begins with these bytes is a JSON document or a stream of events; `None` if so few bytes do not
/// tell. At most [`DECISIVE`] bytes are asked for.
pub(super) fn is_text(begun: &[u8]) -> Option<bool> {
    let told = told(begun);
    if begun.len() >= DECISIVE {
        return Some(told.unwrap_or(false));
    }
    told
}

fn told(begun: &[u8]) -> Option<bool> {
    let bom: &[u8] = b"\xef\xbb\xbf";
    if bom.starts_with(begun) {
        return None;
    }
    let text = begun.strip_prefix(bom).unwrap_or(begun).trim_ascii_start();
    let (first, rest) = text.split_first()?;
    let inside = rest.trim_ascii_start().first();
    match first {
        b'{' => inside.map(|byte| matches!(byte, b'"' | b'}')),
        b'[' => inside.map(|byte| *byte == b'{'),
        _ => {
            let fields: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b": "];
            if fields.iter().any(|field| text.starts_with(field)) {
                return Some(true);
            }
            let may_become = fields.iter().any(|field| field.starts_with(text));
            (!may_become).then_some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_told_from_text_by_more_than_a_byte() {
        for (begun, text) in [
            ("", None),
            ("\u{feff}", None),
            (" \r\n", None),
            ("{", None),
            ("{ \n", None),
            ("{\"", Some(true)),
            ("\u{feff} {\n \"", Some(true)),
            ("{}", Some(true)),
            ("{\u{1}", Some(false)),
            ("[", None),
            ("[{", Some(true)),
            ("[Music]", Some(false)),
            ("dat", None),
            ("data", None),
            ("data:", Some(true)),
            ("event: x", Some(true)),
            (": ping", Some(true)),
            ("date:", Some(false)),
            ("ID3", Some(false)),
            ("RIFF", Some(false)),
            (&"\n".repeat(DECISIVE), Some(false)),
        ] {
            assert_eq!(is_text(begun.as_bytes()), text, "{begun:?}");
        }
    }
}
