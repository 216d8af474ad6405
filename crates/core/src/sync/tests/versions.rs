//! Upgrades and downgrades: how this program and one of an older or newer version read each other's bytes.

use super::*;
use crate::address::AddressSet;
use crate::sync::versions::{OBJECTS, Wire};

/// The record of `key_1` as programs of version 1 write it.
const RECORD_1: &[u8] =
    b"\x01\x05key_1\x04acme\x04free\x00\x01\x01\x07gpt-4o*\x00\x00\x00\x00\x00\x01\x80\xa4\xa7\xda\x06";

fn head(version: u8, keys: u8, teams: u8) -> Vec<u8> {
    let numbers = [7u64, 3, 9].map(u64::to_be_bytes).concat();
    let tiers = if version < 3 { &[][..] } else { &[0, 0] };
    [
        &[version, 1, 0],
        numbers.as_slice(),
        &[0, keys, 0, teams],
        tiers,
    ]
    .concat()
}

/// Nobody watches.
fn no_watch(version: u8) -> Vec<u8> {
    vec![0; if version < 3 { 0 } else { 10 }]
}

fn block(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A key that is over its budget.
fn key_bytes(digest: u8, record: &[u8]) -> Vec<u8> {
    let version = 8u64.to_be_bytes();
    [&[digest; 32], version.as_slice(), &[3], &block(record)].concat()
}

fn team_bytes() -> Vec<u8> {
    [9u64.to_be_bytes().as_slice(), &[1], &block(b"acme")].concat()
}

/// The record in those bytes.
fn meaning(keys: Vec<(u8, Record)>) -> Frame {
    let keys = keys.into_iter().map(|(digest, record)| KeyEntry {
        digest: KeyDigest::from_bytes([digest; 32]),
        version: 8,
        state: Some(KeyState {
            record,
            over_budget: true,
        }),
    });
    Frame {
        more: false,
        keys: keys.collect(),
        tiers: vec![],
        watch: Watch::default(),
        ..frame(0)
    }
}

fn bound() -> KeyRecord {
    let network = "10.0.0.0/8".parse().unwrap();
    KeyRecord {
        addresses: Some(AddressSet::new(vec![network]).unwrap()),
        ..record(1)
    }
}

#[test]
fn words_stand_on_the_wire_where_they_stood_in_version_1() {
    // More can follow; these are sent by their places.
    assert_eq!(
        UsageSource::NAMES[..3],
        ["exact", "lower_bound", "estimated"]
    );
    let kinds = [
        "input",
        "cached_input",
        "cache_write",
        "audio_input",
        "output",
        "reasoning",
        "audio_output",
    ];
    assert_eq!(TokenKind::NAMES[..7], kinds);
    assert_eq!(Status::NAMES[..3], ["active", "suspended", "revoked"]);
    assert_eq!(
        Kind::NAMES[..5],
        ["response", "completion", "batch", "file", "other"]
    );
    let estimated = UsageEvent {
        usage: Usage::Estimated(each_kind(7)),
        ..event(1)
    };
    let bytes = bytes_of(&estimated);
    assert_eq!(bytes[16], 2);
    // Behind id, source, status, duration and start.
    let counts = bytes[31..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|n| u32::from_be_bytes(*n));
    let expected = TokenKind::ALL[..7]
        .iter()
        .map(|kind| estimated.usage.tokens().get(*kind) as u32);
    assert!(counts.take(7).eq(expected), "{bytes:?}");
}

#[test]
fn a_service_of_version_1_is_read() {
    // It answers in version 1 whatever the filter asks for, and its records may have fields that bind a key.
    for key in [record(1), bound()] {
        let bytes = key_bytes(5, &key.to_wire().unwrap());
        let wire = [head(1, 1, 1), bytes, team_bytes()].concat();
        assert_eq!(Frame::decode(&wire), Ok(meaning(vec![(5, key.into())])));
    }
    assert_eq!(record(1).to_wire().unwrap(), RECORD_1);
}

#[test]
fn a_filter_of_version_1_gets_its_version_and_keys_that_it_cannot_bind_are_closed() {
    let both = meaning(vec![(5, record(1).into()), (6, bound().into())]);
    let closed = bound().to_wire_for(1).unwrap();
    let expected = [
        head(1, 2, 1),
        key_bytes(5, RECORD_1),
        key_bytes(6, &closed),
        team_bytes(),
    ]
    .concat();
    assert_eq!(both.encode_for(KEYS.for_reader(None)), Ok(expected.clone()));
    // A newer program that reads these bytes does not take the key for less restricted than it is.
    let found = meaning(vec![(5, record(1).into()), (6, Record::Unreadable(closed))]);
    assert_eq!(Frame::decode(&expected), Ok(found));
}

#[test]
fn a_newer_service_may_append_fields_to_every_entry() {
    let more = b"a field of tomorrow".as_slice();
    let gold = frame(0).tiers.remove(0);
    let tier = block(&[gold.to_bytes().unwrap().as_slice(), more].concat());
    let mut wire = head(3, 0, 0);
    wire.truncate(wire.len() - 1);
    wire.extend([&[1], tier.as_slice(), &no_watch(3)].concat());
    assert_eq!(Frame::decode(&wire).map(|read| read.tiers), Ok(vec![gold]));
    for (key_more, record_more, team_more) in [
        (more, b"".as_slice(), b"".as_slice()),
        (b"", more, b""),
        (b"", b"", more),
        (more, more, more),
    ] {
        let key = |digest, record: &KeyRecord| {
            let record = [record.to_wire().unwrap().as_slice(), record_more].concat();
            block(&[key_bytes(digest, &record).as_slice(), key_more].concat())
        };
        let wire = [
            head(2, 2, 1),
            key(5, &record(1)),
            key(6, &bound()),
            block(&[team_bytes().as_slice(), team_more].concat()),
        ]
        .concat();
        let both = meaning(vec![(5, record(1).into()), (6, bound().into())]);
        assert_eq!(Frame::decode(&wire), Ok(both));
    }
}

#[test]
fn a_record_of_a_newer_version_closes_its_key_and_no_other() {
    let newer = [&[3], &RECORD_1[1..], b"a restriction of tomorrow"].concat();
    for version in [1, 2] {
        let entry = |bytes: Vec<u8>| match version {
            1 => bytes,
            _ => block(&bytes),
        };
        let wire = [
            head(version, 2, 1),
            entry(key_bytes(5, &newer)),
            entry(key_bytes(6, RECORD_1)),
            entry(team_bytes()),
        ]
        .concat();
        let keys = vec![
            (5, Record::Unreadable(newer.clone())),
            (6, record(1).into()),
        ];
        assert_eq!(Frame::decode(&wire), Ok(meaning(keys)), "version {version}");
    }
    let cut = [head(2, 1, 0), block(&key_bytes(5, &RECORD_1[..9]))].concat();
    assert_eq!(Frame::decode(&cut), Err(SyncError::Malformed));
}

#[test]
fn an_answer_has_the_newest_version_that_both_know() {
    let frame = meaning(vec![(5, bound().into())]);
    for (asked, written) in [
        (None, 1),
        (Some(0), 1),
        (Some(1), 1),
        (Some(2), 2),
        (Some(3), 3),
        (Some(4), 3),
        (Some(u8::MAX), 3),
    ] {
        let wire = frame.encode_for(KEYS.for_reader(asked)).unwrap();
        assert_eq!(wire.first(), Some(&written), "{asked:?}");
        let says_all = Frame::decode(&wire).is_ok_and(|read| read == frame);
        assert_eq!(says_all, written >= 2, "{asked:?}");
    }
    assert_eq!(KEYS.parameter(), "keys=3");
}

#[test]
fn a_reader_states_its_versions_and_each_form_has_its_own() {
    let beyond = |wire: Wire| SyncError::Version(wire, wire.newest + 1);
    let batch = batch_of(USAGE.newest + 1, &[]);
    assert_eq!(decode_batch(&batch), Err(beyond(USAGE)));
    assert_eq!(
        Frame::decode(&head(KEYS.newest + 1, 0, 0)),
        Err(beyond(KEYS))
    );
    let answer = [OBJECTS.newest + 1, 0];
    assert_eq!(objects::decode(&answer), Err(beyond(OBJECTS)));
    assert_eq!(
        beyond(KEYS).to_string(),
        "version 4 of keys is not supported; versions 1 to 3 are"
    );
    for version in USAGE.oldest..=USAGE.newest {
        assert_eq!(decode_batch(&batch_of(version, &[])), Ok(vec![]));
    }
    for version in KEYS.oldest..=KEYS.newest {
        assert!(
            Frame::decode(&[head(version, 0, 0), no_watch(version)].concat()).is_ok(),
            "version {version}"
        );
    }
}
