//! Hiding keys in texts that must be shown, by one rule for filter, service and command line.

use super::PREFIX;

/// The shortest run of letters, digits, `_` and `-` behind [`PREFIX`] that is taken for a secret.
pub const MIN_SECRET: usize = 8;

/// What stands in the place of a key.
const REDACTED: &str = "gmtech_REDACTED";

/// `text` with `gmtech_REDACTED` in the place of every key: for whatever must show what a client sent.
///
/// What counts as a key is its prefix with eight or more letters, digits, `_` or `-` behind it, so that a mistyped key and
/// most of a cut one are hidden too. All of that run goes, whatever its length. A shorter run is part of a name.
///
/// ```
/// use gmtech_core::key::redact;
///
/// assert_eq!(redact("?key=gmtech_0123456789&x=1"), "?key=gmtech_REDACTED&x=1");
/// assert_eq!(redact("gmtech_team is a name"), "gmtech_team is a name");
/// ```
#[must_use]
pub fn redact(text: &str) -> String {
    // A run of ASCII is replaced by ASCII: what was UTF-8 stays so.
    String::from_utf8_lossy(&redact_bytes(text.as_bytes())).into_owned()
}

/// [`redact`] of bytes that need not be UTF-8.
#[must_use]
pub fn redact_bytes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = key_at(rest) {
        let (before, key) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        out.extend_from_slice(REDACTED.as_bytes());
        let len = key.iter().take_while(|b| is_key_char(b)).count();
        rest = key.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Whether a key stands in `text`, as [`redact`] sees it.
#[must_use]
pub fn holds_key(text: &[u8]) -> bool {
    key_at(text).is_some()
}

/// Whether a key stands in `text`, where `text` should be a name. A word of small letters, such as `gmtech_production`, is a
/// name here, although [`redact`] hides it: a key's 43 random characters are never without a digit or a capital letter
/// (once in 10^16), nor are its first eight (once in a thousand).
///
/// ```
/// use gmtech_core::key::name_holds_key;
///
/// assert!(!name_holds_key(b"gmtech_production"));
/// assert!(name_holds_key(b"gmtech_FwrYd9jC"));
/// ```
#[must_use]
pub fn name_holds_key(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = key_at(rest) {
        let secret = rest.get(at + PREFIX.len()..).unwrap_or_default();
        let run = secret.iter().take_while(|b| is_key_char(b));
        if run
            .clone()
            .any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        {
            return true;
        }
        rest = secret.get(run.count()..).unwrap_or_default();
    }
    false
}

fn key_at(text: &[u8]) -> Option<usize> {
    text.windows(PREFIX.len() + MIN_SECRET).position(|w| {
        w.strip_prefix(PREFIX.as_bytes())
            .is_some_and(|secret| secret.iter().all(is_key_char))
    })
}

fn is_key_char(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::ApiKey;

    #[test]
    fn keys_are_cut_out_of_any_text_and_names_stay() {
        let key = ApiKey::generate(&[7; 32]);
        let key = key.reveal();
        for (text, shown) in [
            (format!("no {key} here"), "no gmtech_REDACTED here"),
            (
                format!("{key},{key}\""),
                "gmtech_REDACTED,gmtech_REDACTED\"",
            ),
            (format!("é{key}é"), "égmtech_REDACTEDé"),
            (format!("gmtech_{key}"), "gmtech_REDACTED"),
            (format!("{key}-and-more"), "gmtech_REDACTED"),
            (
                "/v1/gmtech_abcdefgh12345678/x?key=gmtech_abcdefgh9&y=gmtech_no".into(),
                "/v1/gmtech_REDACTED/x?key=gmtech_REDACTED&y=gmtech_no",
            ),
            ("gmtech_REDACTEDabc".into(), "gmtech_REDACTED"),
            ("x-gmtech_team is a name".into(), "x-gmtech_team is a name"),
            (String::new(), ""),
        ] {
            assert_eq!(redact(&text), shown);
            assert_eq!(holds_key(text.as_bytes()), text != shown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_key_is_left_of_any_text(random: [u8; 32], before in ".*", after in ".*", cut in 15usize..=56) {
            let key = ApiKey::generate(&random);
            let shown = key.redacted();
            let (key, _) = key.reveal().split_at(cut);
            let (start, _) = key.split_at(15);
            let text = redact(&format!("{before}{key}{after}"));
            prop_assert!(!text.contains(start), "{}", text);
            // Behind what its redacted form shows, no eight characters of it in a row.
            let (_, secret) = key.split_at(shown.trim_end_matches('…').len());
            for part in secret.as_bytes().windows(8) {
                prop_assert!(!text.as_bytes().windows(8).any(|w| w == part), "{}", text);
            }
            prop_assert_eq!(redact(&text), text);
        }
    }
}
