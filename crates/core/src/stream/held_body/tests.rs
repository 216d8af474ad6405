use super::*;
use crate::request::INSERT_AT_OPEN;

const AT_OPEN: UsageEdit = UsageEdit::InsertAtOpen { at: 1 };
const INSIDE: UsageEdit = UsageEdit::Splice {
    offset: 5,
    remove: 2,
    insert: b"true",
};

fn make(edits: &BodyEdits, held: Vec<u8>) -> Vec<u8> {
    assert_eq!(edits.held, held.len());
    let splices = edits.splices.iter();
    splices.fold(held, |held, splice| splice.apply(&held).unwrap())
}

/// Passes a body through a host that holds it: in pieces, read in ranges, and released with `edit`.
fn pass(pieces: &[&[u8]], reach: Reach, cuts: bool, edit: UsageEdit) -> (Vec<u8>, Release) {
    let length = pieces.concat().len().to_string();
    let mut body = HeldBody::new(Some(length.as_bytes()), reach);
    let mut held = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        body.arrived(held.len(), n + 1 == pieces.len());
        let (from, len) = body.unread();
        let chunk = held.get(from..from + len).unwrap().to_vec();
        assert_eq!(chunk, *piece, "each range is read once");
        body.read(&chunk);
        if cuts && n + 1 < pieces.len() {
            if let Some(edits) = body.cut_front(1) {
                held = make(&edits, held);
            }
            assert_eq!(body.held(), held.len());
            assert_eq!(body.body().arrived, body.seen as u64, "the front counts");
        }
    }
    assert!(body.ended() && !body.is_done());
    let release = body.release(edit);
    held = make(&release.edits, held);
    assert!(body.is_done());
    (held, release)
}

#[test]
fn the_body_is_forwarded_with_its_edit_in_any_pieces_and_reach() {
    let body = br#"{"a":  ,"stream":true}"#;
    for reach in [Reach::Front, Reach::Everywhere] {
        for cuts in [false, true] {
            for edit in [UsageEdit::None, AT_OPEN, INSIDE] {
                for at in 1..body.len() {
                    let (one, two) = body.split_at(at);
                    for pieces in [&[body.as_slice()][..], &[one, two], &[one, b"", two]] {
                        let (went_on, release) = pass(pieces, reach, cuts, edit);
                        let expected = apply(body, edit);
                        assert_eq!(went_on, expected, "{reach:?} {cuts} {edit:?} {at}");
                        let length = Some(expected.len()).filter(|_| edit != UsageEdit::None);
                        assert_eq!(release.length, length);
                    }
                }
            }
        }
    }
}

#[test]
fn a_cut_front_is_restored_with_the_option_after_it() {
    let (_, release) = pass(&[b"{\"a\"", b":1}"], Reach::Front, true, AT_OPEN);
    let [splice] = &release.edits.splices[..] else {
        panic!("{release:?}")
    };
    assert_eq!(
        (splice.at, splice.remove),
        (0, 0),
        "nothing else is touched"
    );
    assert_eq!(splice.insert, [b"{", INSERT_AT_OPEN].concat());
}

#[test]
fn a_host_that_reaches_everywhere_cuts_nothing() {
    let mut body = HeldBody::new(None, Reach::Everywhere);
    body.arrived(4, false);
    body.read(b"{\"a\"");
    assert_eq!(body.cut_front(1), None);
    let large = vec![b' '; REWRITE_MAX];
    let (went_on, _) = pass(&[b"{\"a\":", &large, b"}"], Reach::Everywhere, true, INSIDE);
    assert!(went_on.starts_with(b"{\"a\":true"));
}

#[test]
fn a_large_body_is_edited_at_its_front_only() {
    let large = vec![b' '; REWRITE_MAX];
    let pieces = [b"{\"a\":".as_slice(), &large, b"}"];
    let whole = pieces.concat();
    let larger = vec![b' '; BEGINNING_MAX];
    for (pieces, cuts, edit, edited) in [
        (&pieces[..], true, AT_OPEN, true),
        (&pieces[..], true, INSIDE, false),
        (&pieces[..], true, UsageEdit::None, false),
        (&[whole.as_slice()], true, AT_OPEN, true),
        (&[whole.as_slice()], true, INSIDE, true),
        // The front is known with the last piece only.
        (&[b"".as_slice(), &whole], true, AT_OPEN, true),
        (&pieces[..], false, AT_OPEN, true),
        (
            &[b"{\"a\":".as_slice(), &larger, b"}"],
            false,
            AT_OPEN,
            false,
        ),
    ] {
        let whole = pieces.concat();
        let (went_on, release) = pass(pieces, Reach::Front, cuts, edit);
        let expected = if edited {
            apply(&whole, edit)
        } else {
            whole.clone()
        };
        assert!(went_on == expected, "{cuts} {edit:?}");
        assert_eq!(release.length.is_some(), edited);
    }
}

#[test]
fn a_front_that_is_known_too_late_or_not_at_all_is_not_cut() {
    let mut body = HeldBody::new(None, Reach::Front);
    let beginning = vec![b' '; BEGINNING_MAX + 1];
    body.arrived(beginning.len(), false);
    body.read(&beginning);
    assert_eq!(body.cut_front(1), None, "too much has come");
    let mut body = HeldBody::new(None, Reach::Front);
    body.arrived(1, false);
    body.read(b"{");
    for (end, cut) in [(0, false), (2, false), (1, true), (1, false)] {
        assert_eq!(body.cut_front(end).is_some(), cut, "{end}");
    }
}

#[test]
fn the_length_is_set_only_if_it_was_announced() {
    let mut body = HeldBody::new(None, Reach::Front);
    body.arrived(2, true);
    body.read(b"{}");
    assert_eq!(body.body().announced, None);
    assert_eq!(body.release(AT_OPEN).length, None);
    let body = HeldBody::new(Some(b"12"), Reach::Front);
    assert_eq!(body.body().announced, Some(12));
    let body = HeldBody::new(Some(b"many"), Reach::Front);
    assert_eq!(body.body().announced, None);
}
