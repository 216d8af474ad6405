use super::registry::{Found, find, note, note_unknown, settle};
use super::*;
use crate::shared::memory::MemoryStore;

fn object(key: &str) -> Object {
    Object {
        key: KeyId::new(key).unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        limits: LimitOverrides::default(),
        model: ModelId::new("gpt-4o").ok(),
        kind: Kind::Response,
        of: Some(ObjectId::of(b"batch_1")),
        work: Some(BatchWork {
            requests: 2,
            input: 30,
            output: 4_000,
        }),
        charged: 12,
        settled: false,
        lineage: None,
    }
}

fn known(store: &MemoryStore, id: &ObjectId) -> Object {
    match find(store, id).unwrap() {
        Some(Found::Object(object)) => *object,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_id_is_the_same_in_pieces_and_whole_and_its_events_are_its_own() {
    let whole = ObjectId::of(b"resp_123");
    let mut pieces = IdHasher::default();
    for piece in [b"re".as_slice(), b"", b"sp_123"] {
        pieces.push(piece);
    }
    assert_eq!(pieces.finish(), whole);
    assert_eq!(ObjectId::from_hex(&whole.to_hex()), Some(whole));
    assert_eq!(ObjectId::from_hex("12"), None);
    let other = ObjectId::of(b"resp_124");
    let events = [
        whole.event(ObjectEvent::Settled),
        whole.event(ObjectEvent::Found),
        other.event(ObjectEvent::Settled),
        *whole.as_bytes(),
    ];
    for (i, event) in events.iter().enumerate() {
        assert!(!events[..i].contains(event), "{i}");
    }
}

#[test]
fn the_wire_form_reads_back_and_anything_else_is_refused() {
    let wire = object("key_1").to_wire().unwrap();
    assert!(wire.len() < 80, "{} bytes", wire.len());
    assert_eq!(Object::from_wire(&wire), Ok(object("key_1")));
    let continues = Object {
        lineage: KeyId::new("key_0").ok(),
        ..object("key_1")
    };
    assert_eq!(continues.account().as_str(), "key_0");
    assert_eq!(object("key_1").account().as_str(), "key_1");
    let longer = continues.to_wire().unwrap();
    assert_eq!((wire.first(), longer.first()), (Some(&1), Some(&2)));
    assert_eq!(Object::from_wire(&longer), Ok(continues));
    for wire in [&wire, &longer] {
        for cut in 0..wire.len() {
            assert_eq!(Object::from_wire(&wire[..cut]), Err(NotAnObject), "{cut}");
        }
        let more = [wire.as_slice(), b"a field of tomorrow"].concat();
        assert_eq!(Object::from_wire(&more), Object::from_wire(wire));
    }
    assert!(Object::from_wire(&[&[9], &wire[1..]].concat()).is_err());
}

#[test]
fn an_object_keeps_its_first_maker() {
    let (store, id) = (MemoryStore::default(), ObjectId::of(b"resp_1"));
    assert_eq!(find(&store, &id), Ok(None));
    note(&store, &id, &object("key_1")).unwrap();
    note(&store, &id, &object("key_2")).unwrap();
    assert_eq!(known(&store, &id), object("key_1"));
}

#[test]
fn one_caller_settles_and_a_later_note_does_not_undo_it() {
    let (store, id) = (MemoryStore::default(), ObjectId::of(b"resp_1"));
    assert_eq!(settle(&store, &id), Ok(false), "not known");
    note(&store, &id, &object("key_1")).unwrap();
    store.lose_next.set(3);
    assert_eq!(settle(&store, &id), Ok(true));
    assert_eq!(settle(&store, &id), Ok(false));
    note(&store, &id, &object("key_1")).unwrap();
    assert_eq!(settle(&store, &id), Ok(false));
    assert!(known(&store, &id).settled);
}

#[test]
fn an_unknown_object_is_remembered_until_its_maker_is_known() {
    let (store, id) = (MemoryStore::default(), ObjectId::of(b"resp_1"));
    note_unknown(&store, &id, 7).unwrap();
    assert_eq!(find(&store, &id), Ok(Some(Found::Unknown { asked_at: 7 })));
    note(&store, &id, &object("key_1")).unwrap();
    note_unknown(&store, &id, 8).unwrap();
    assert_eq!(known(&store, &id), object("key_1"));
}

#[test]
fn places_are_bounded_and_a_later_object_replaces_an_earlier_one() {
    let store = MemoryStore::default();
    let ids: Vec<ObjectId> = (0..70_000_u32)
        .map(|n| ObjectId::of(&n.to_be_bytes()))
        .collect();
    for id in &ids {
        note(&store, id, &object("key_1")).unwrap();
    }
    assert!(store.len() <= 1 << 16, "{}", store.len());
    let first = ids[0];
    let rival = ids[1..]
        .iter()
        .find(|id| id.as_bytes()[..2] == first.as_bytes()[..2]);
    if rival.is_some() {
        assert_eq!(find(&store, &first), Ok(None));
    }
}

#[test]
fn a_broken_store_is_an_error() {
    let (store, id) = (MemoryStore::default(), ObjectId::of(b"resp_1"));
    store.broken.set(true);
    assert!(find(&store, &id).is_err());
    assert!(note(&store, &id, &object("key_1")).is_err());
    assert!(settle(&store, &id).is_err());
}
