mod versions;

use proptest::prelude::*;

use super::events::{Label, UsageEvent, decode_batch, encode_batch};
use super::versions::USAGE;
use super::*;
use crate::decision::Decision;
use crate::ident::{KeyId, TierName};
use crate::model::{ModelId, ModelPattern, ModelSet};
use crate::objects::{BatchWork, Kind, ObjectId, ObjectNote};
use crate::record::Status;
use crate::usage::{TokenKind, Tokens, Usage, UsageSource};

/// Tokens in which each of the first kinds has a different count.
fn each_kind(first: usize) -> Tokens {
    let kinds = TokenKind::ALL.into_iter().zip(1..).take(first);
    kinds.fold(Tokens::default(), |tokens, (kind, n)| tokens.with(kind, n))
}

fn record(n: u32) -> KeyRecord {
    KeyRecord {
        models: Some(ModelSet::new(vec![ModelPattern::new("gpt-4o*").unwrap()])),
        expires_at: Some(1_800_000_000),
        ..KeyRecord::plain(n, Status::Active)
    }
}

fn frame(keys: u32) -> Frame {
    Frame {
        kind: FrameKind::Delta,
        more: true,
        epoch: 7,
        from: 3,
        to: 9,
        keys: (0..keys)
            .map(|n| KeyEntry {
                digest: KeyDigest::from_bytes([n as u8; 32]),
                version: u64::from(n),
                state: (!n.is_multiple_of(3)).then(|| KeyState {
                    record: record(n).into(),
                    over_budget: n.is_multiple_of(2),
                }),
            })
            .collect(),
        teams: vec![TeamEntry {
            team: TeamId::new("acme").unwrap(),
            version: 9,
            exhausted: true,
        }],
        tiers: vec![
            TierEntry {
                name: TierName::new("gold").unwrap(),
                version: 8,
                tier: Tier::of_rates(7, 900),
            },
            TierEntry {
                name: TierName::new("gone").unwrap(),
                version: 9,
                tier: None,
            },
        ],
        watch: Watch {
            version: 5,
            teams: vec![TeamId::new("acme").unwrap()],
        },
    }
}

fn event(n: u8) -> UsageEvent {
    UsageEvent {
        id: [n; 16],
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: n.is_multiple_of(2).then(|| ModelId::new("gpt-4o").unwrap()),
        endpoint: Label::clip("/v1/chat/completions"),
        decision: Decision::Allowed.into(),
        status: 200,
        duration_ms: 1_250,
        started_unix_ms: 1_790_000_000_000,
        usage: Usage::LowerBound(each_kind(7).with_total(31)),
        requests: u32::from(n),
        object: (n > 100).then(|| ObjectNote::Made {
            id: ObjectId::of(b"batch_1"),
            kind: Kind::Batch,
            work: Some(BatchWork::default()),
            settled: false,
        }),
        request_id: Label::clip("7a1c8f30-0f3c-4c9a-8f30-000000000001"),
        endpoint_group: Label::clip("chat_completions"),
    }
}

/// A batch of these events, each as bytes.
fn batch_of(version: u8, events: &[&[u8]]) -> Vec<u8> {
    let mut wire = vec![version, 0, events.len() as u8];
    for event in events {
        wire.extend_from_slice(&(event.len() as u16).to_be_bytes());
        wire.extend_from_slice(event);
    }
    wire
}

/// An event's own bytes.
fn bytes_of(event: &UsageEvent) -> Vec<u8> {
    encode_batch(std::slice::from_ref(event)).unwrap()[5..].to_vec()
}

#[test]
fn a_frame_reads_back_as_written() {
    for keys in [0, 1, 7, 200] {
        let wire = frame(keys).encode().unwrap();
        assert_eq!(Frame::decode(&wire), Ok(frame(keys)));
    }
}

#[test]
fn a_key_costs_about_a_hundred_bytes() {
    let (empty, one) = (
        Frame {
            keys: vec![],
            ..frame(0)
        },
        frame(2),
    );
    let bytes = one.encode().unwrap().len() - empty.encode().unwrap().len();
    assert!(
        bytes < 150,
        "{bytes} bytes for one known and one unknown key"
    );
}

#[test]
fn every_cut_and_every_extra_byte_is_refused() {
    let frame = frame(5).encode().unwrap();
    let batch = encode_batch(&[event(1), event(2)]).unwrap();
    for cut in 0..frame.len() {
        assert!(Frame::decode(&frame[..cut]).is_err(), "frame cut at {cut}");
    }
    for cut in 0..batch.len() {
        assert!(decode_batch(&batch[..cut]).is_err(), "batch cut at {cut}");
    }
    assert!(Frame::decode(&[frame.as_slice(), b"x"].concat()).is_err());
    assert!(decode_batch(&[batch.as_slice(), b"x"].concat()).is_err());
}

#[test]
fn invalid_values_are_refused() {
    let good = frame(0);
    for (why, bad) in [
        (
            "no epoch",
            Frame {
                epoch: 0,
                ..good.clone()
            },
        ),
        (
            "backwards",
            Frame {
                from: 10,
                ..good.clone()
            },
        ),
        (
            "a snapshot that starts late",
            Frame {
                kind: FrameKind::Snapshot,
                ..good.clone()
            },
        ),
    ] {
        assert_eq!(
            Frame::decode(&bad.encode().unwrap()),
            Err(SyncError::Malformed),
            "{why}"
        );
    }
    let mut newer = good.encode().unwrap();
    newer[0] = 4;
    assert_eq!(Frame::decode(&newer), Err(SyncError::Version(KEYS, 4)));
    let many = Frame {
        keys: vec![frame(1).keys[0].clone(); MAX_FRAME_ENTRIES + 1],
        ..good
    };
    assert_eq!(many.encode(), Err(SyncError::TooLarge));
}

#[test]
fn a_batch_reads_back_as_written() {
    let of_each_kind = UsageEvent {
        usage: Usage::Estimated(each_kind(TokenKind::ALL.len())),
        ..event(3)
    };
    let events = [event(1), event(2), of_each_kind];
    let read = decode_batch(&encode_batch(&events).unwrap()).unwrap();
    assert_eq!(read, events.map(Ok));
}

#[test]
fn an_invalid_event_does_not_affect_the_others() {
    let events = [event(1), event(2), event(3)];
    let mut wire = encode_batch(&events).unwrap();
    // The source byte of the second event: version 1, count 2, then blocks of length 2 + event.
    let first = 3 + 2 + usize::from(u16::from_be_bytes([wire[3], wire[4]]));
    wire[first + 2 + 16] = 99;
    let read = decode_batch(&wire).unwrap();
    assert_eq!(
        read,
        [Ok(event(1)), Err(SyncError::Malformed), Ok(event(3))]
    );
}

#[test]
fn an_event_may_have_fewer_or_more_fields_than_are_known_here() {
    let unnamed = UsageEvent {
        request_id: Label::default(),
        endpoint_group: Label::default(),
        ..event(7)
    };
    // The bytes of later kinds of tokens: the block's length, and a count of each.
    let later = 4 * (TokenKind::ALL.len() - 7) as u16;
    let more = [&later.to_be_bytes()[..], &vec![0; usize::from(later)]].concat();
    let without_names = bytes_of(&unnamed);
    let (fields_of_version_1, appended) =
        without_names.split_at(without_names.len() - 10 - more.len());
    assert_eq!(
        appended,
        [&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0], &more[..]].concat()
    );
    let whole = bytes_of(&event(7));
    let longer = [whole.as_slice(), b"a field of tomorrow"].concat();
    let head = &whole[..whole.len() - more.len()];
    let kinds_to_come = [head, &(later + 8).to_be_bytes(), &more[2..], &[9; 8]].concat();
    let none = [fields_of_version_1, &[0; 4]].concat();
    let one = UsageEvent {
        requests: 1,
        ..unnamed.clone()
    };
    let space = UsageEvent {
        request_id: Label::clip("7a1c8f30"),
        ..event(7)
    };
    let mut spaced = bytes_of(&space);
    let id = spaced.len() - "7a1c8f30".len() - "chat_completions".len() - 2 - more.len();
    spaced[id] = b' ';
    for (what, bytes, read) in [
        (
            "no appended field: its default",
            fields_of_version_1,
            Ok(one),
        ),
        (
            "the requests alone",
            &without_names[..without_names.len() - 6 - more.len()],
            Ok(unnamed.clone()),
        ),
        (
            "no names of the request's",
            &without_names[..without_names.len() - 4 - more.len()],
            Ok(unnamed.clone()),
        ),
        ("no later kinds of tokens", head, Ok(event(7))),
        (
            "kinds of tokens that are not known here: skipped",
            &kinds_to_come,
            Ok(event(7)),
        ),
        ("empty names", &without_names, Ok(unnamed.clone())),
        (
            "an id that no log may hold",
            &spaced,
            Err(SyncError::Malformed),
        ),
        ("all that are known", &whole, Ok(event(7))),
        ("more than are known: skipped", &longer, Ok(event(7))),
        (
            "a field that is cut",
            &whole[..whole.len() - 1],
            Err(SyncError::Malformed),
        ),
        ("an event of no request", &none, Err(SyncError::Malformed)),
    ] {
        for version in 1..=USAGE.newest {
            let batch = batch_of(version, &[bytes, &whole]);
            assert_eq!(
                decode_batch(&batch),
                Ok(vec![read.clone(), Ok(event(7))]),
                "{what}, version {version}"
            );
        }
    }
    for version in [0, USAGE.newest + 1] {
        let batch = batch_of(version, &[&whole]);
        assert_eq!(
            decode_batch(&batch),
            Err(SyncError::Version(USAGE, version))
        );
    }
}

#[test]
fn a_label_keeps_only_characters_that_a_log_may_hold() {
    let (long, longest) = ("a".repeat(100), "a".repeat(64));
    for (given, kept) in [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("two words\n", "twowords"),
        ("naïve", "nave"),
        ("", ""),
        (long.as_str(), longest.as_str()),
    ] {
        assert_eq!(Label::clip(given).as_str(), kept);
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::decode(&bytes);
        let _ = decode_batch(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics_and_reads_back_canonically(at in 0usize..600, to: u8) {
        let mut wire = frame(6).encode().unwrap();
        prop_assume!(at < wire.len());
        wire[at] = to;
        if let Ok(read) = Frame::decode(&wire) {
            prop_assert_eq!(Frame::decode(&read.encode().unwrap()), Ok(read));
        }
        let mut batch = encode_batch(&[event(1), event(2), event(4)]).unwrap();
        prop_assume!(at < batch.len());
        batch[at] = to;
        let _ = decode_batch(&batch);
    }
}

#[test]
fn readers_without_tiers_get_frames_without_them() {
    for version in [1, 2] {
        let read = Frame::decode(&frame(3).encode_for(version).unwrap()).unwrap();
        assert_eq!(
            read,
            Frame {
                tiers: vec![],
                watch: Watch::default(),
                ..frame(3)
            }
        );
    }
}
