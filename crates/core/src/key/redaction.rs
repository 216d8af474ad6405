//! Redaction: hides keys in texts that are shown or logged. Filter, service and command line use the same rule.

use super::PREFIX;

/// The shortest run of letters, digits, `_` and `-` after [`PREFIX`] that counts as a secret.
pub const MIN_SECRET: usize = 8;

/// The text that replaces a key.
const REDACTED: &str = "gmtech_REDACTED";

/// Replaces every key in `text` by `gmtech_REDACTED`. Use it on any text of a client that is shown or logged.
///
/// The prefix followed by eight or more letters, digits, `_` or `-` counts as a key, so that mistyped keys and most cut
/// ones are hidden too. The whole run is replaced, whatever its length. A shorter run counts as a name.
///
/// ```
/// use gmtech_core::key::redact;
///
/// assert_eq!(redact("?key=gmtech_0123456789&x=1"), "?key=gmtech_REDACTED&x=1");
/// assert_eq!(redact("gmtech_team is a name"), "gmtech_team is a name");
/// ```
#[must_use]
pub fn redact(text: &str) -> String {
    // ASCII is replaced by ASCII, so the text stays UTF-8.
    String::from_utf8_lossy(&redact_bytes(text.as_bytes())).into_owned()
}

/// Like [`redact`], for bytes that need not be UTF-8.
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

/// Whether `text` contains a key, by the rule of [`redact`].
#[must_use]
pub fn holds_key(text: &[u8]) -> bool {
    key_at(text).is_some()
}

/// Whether `text`, which should be a name, contains a key. Lower-case words such as `gmtech_production` are accepted as
/// names here, although [`redact`] hides them: of a key's 43 random characters at least one is a digit or a capital
/// letter, except once in 10^16. For the first eight characters the exception is once in a thousand.
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
    fn redact_replaces_keys_and_keeps_names() {
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
        fn no_part_of_a_key_remains_after_redaction(random: [u8; 32], before in ".*", after in ".*", cut in 15usize..=56) {
            let key = ApiKey::generate(&random);
            let shown = key.redacted();
            let (key, _) = key.reveal().split_at(cut);
            let (start, _) = key.split_at(15);
            let text = redact(&format!("{before}{key}{after}"));
            prop_assert!(!text.contains(start), "{}", text);
            // No eight characters in a row remain of the part that the redacted form hides.
            let (_, secret) = key.split_at(shown.trim_end_matches('…').len());
            for part in secret.as_bytes().windows(8) {
                prop_assert!(!text.as_bytes().windows(8).any(|w| w == part), "{}", text);
            }
            prop_assert_eq!(redact(&text), text);
        }
    }
}
