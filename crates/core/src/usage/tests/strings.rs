//! The strict reader of requests and the tolerant reader of answers read strings the same way: an id or a model is
//! the same in both. serde_json agrees on every string that it accepts.

use proptest::prelude::*;

use super::super::schema::{Kind, Names, Schema};
use super::super::walker::{Sink, Walker};
use crate::json::{Step, Text};

/// The text of one string.
#[derive(Default)]
struct Decoded(Vec<u8>);

impl Sink for Decoded {
    fn value(&mut self, _: &'static Schema, _: Kind) {}
    fn item(&mut self, _: &'static Schema) {}
    fn text(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }
    fn id(&mut self, _: &[u8]) {}
    fn end_id(&mut self, _: Names) {}
    fn tag(&mut self, _: &'static Schema, _: &[u8]) {}
    fn count(&mut self, _: &'static Schema, _: u64) {}
    fn blob(&mut self, _: usize) {}
    fn loose(&mut self, _: &[u8]) {}
    fn unknown(&mut self, _: &[u8]) {}
    fn end_string(&mut self) {}
    fn document(&mut self) {}
}

fn tolerant(literal: &str, size: usize) -> String {
    let mut walker = Walker::new(&Schema::Text);
    let mut decoded = Decoded::default();
    for chunk in literal.as_bytes().chunks(size) {
        walker.push(chunk, &mut decoded);
    }
    String::from_utf8(decoded.0).unwrap()
}

/// `None` if the string is refused.
fn strict(literal: &str, size: usize) -> Option<String> {
    let mut text = Text::default();
    let mut decoded = String::new();
    for chunk in literal.as_bytes()[1..].chunks(size) {
        let step = text.push(chunk, 0, &mut |piece: &str| {
            decoded.push_str(piece);
            Ok::<(), ()>(())
        });
        match step {
            Ok(Step::More) => {}
            Ok(Step::Closed(rest)) => {
                assert!(rest.is_empty(), "{literal}");
                return Some(decoded);
            }
            Err(_) => return None,
        }
    }
    panic!("{literal} has no end");
}

#[test]
fn a_surrogate_without_its_partner_is_one_replacement_character() {
    for (inside, text) in [
        (r"\ud83e\udd80", "🦀"),
        (r"\ud83e\u0041", "\u{fffd}A"),
        (r"\ud83eA", "\u{fffd}A"),
        (r"\ud83eé", "\u{fffd}é"),
        (r"\ud83e\n", "\u{fffd}\n"),
        (r#"\ud83e\""#, "\u{fffd}\""),
        (r"\ud83e", "\u{fffd}"),
        (r"\udd80", "\u{fffd}"),
        (r"\udd80\ud83e", "\u{fffd}\u{fffd}"),
        (r"\ud83e\ud83e\udd80", "\u{fffd}🦀"),
        (r"\ud83ex\udd80", "\u{fffd}x\u{fffd}"),
    ] {
        let literal = format!("\"{inside}\"");
        for size in 1..=literal.len() {
            assert_eq!(tolerant(&literal, size), text, "{literal} by {size}");
            assert_eq!(
                strict(&literal, size).as_deref(),
                Some(text),
                "{literal} by {size}"
            );
        }
    }
}

#[test]
fn an_invalid_escape_is_refused_in_a_request_and_read_as_text_in_an_answer() {
    for (inside, text) in [
        (r"\q", "q"),
        (r"\é", "é"),
        (r"\u00x", "x"),
        (r"\u00\n", "\n"),
        (r"\ud83e\q", "\u{fffd}q"),
        (r"\u", ""),
    ] {
        let literal = format!("\"{inside}\"");
        for size in 1..=literal.len() {
            assert_eq!(tolerant(&literal, size), text, "{literal} by {size}");
            assert_eq!(strict(&literal, size), None, "{literal} by {size}");
        }
    }
}

/// A piece of a string as it is written, and the UTF-16 that it stands for.
fn piece() -> impl Strategy<Value = (String, Vec<u16>)> {
    let unit = prop_oneof![any::<u16>(), 0xd7f0u16..0xe010];
    let plain = any::<char>().prop_filter("stands for itself", |c| {
        !matches!(c, '"' | '\\' | '\0'..='\x1f')
    });
    let short = prop::sample::select(vec![
        ("\\\"", '"'),
        ("\\\\", '\\'),
        ("\\/", '/'),
        ("\\b", '\u{8}'),
        ("\\f", '\u{c}'),
        ("\\n", '\n'),
        ("\\r", '\r'),
        ("\\t", '\t'),
    ]);
    let units = |c: char| c.encode_utf16(&mut [0; 2]).to_vec();
    prop_oneof![
        2 => (unit, any::<bool>()).prop_map(|(unit, upper)| {
            let written = if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
            (written, vec![unit])
        }),
        1 => plain.prop_map(move |c| (c.to_string(), units(c))),
        1 => short.prop_map(move |(written, c)| (written.to_owned(), units(c))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_string_reads_as_its_utf16(pieces in prop::collection::vec(piece(), 0..12), size in 1usize..9) {
        let (written, units): (Vec<String>, Vec<Vec<u16>>) = pieces.into_iter().unzip();
        let literal = format!("\"{}\"", written.concat());
        let expected = String::from_utf16_lossy(&units.concat());
        prop_assert_eq!(tolerant(&literal, size), expected.as_str(), "{}", literal);
        prop_assert_eq!(strict(&literal, size), Some(expected.clone()), "{}", literal);
        if let Ok(read) = serde_json::from_str::<String>(&literal) {
            prop_assert_eq!(expected, read, "{}", literal);
        }
    }
}
