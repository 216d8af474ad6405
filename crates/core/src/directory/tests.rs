use proptest::prelude::*;

use super::*;
use crate::record::Status;
use crate::shared::memory::MemoryStore;
use crate::sync::KeyState;
use crate::time::SECOND;

const T0: Nanos = 100 * SECOND;

fn digest(n: u8) -> KeyDigest {
    KeyDigest::from_bytes([n; 32])
}

fn team() -> TeamId {
    TeamId::new("acme").unwrap()
}

fn entry(n: u8, version: u64, status: Status) -> KeyEntry {
    let record = KeyRecord::plain(n.into(), status);
    KeyEntry {
        digest: digest(n),
        version,
        state: Some(KeyState {
            record: record.into(),
            over_budget: false,
        }),
    }
}

fn frame(
    kind: FrameKind,
    epoch: u64,
    (from, to): (u64, u64),
    more: bool,
    keys: Vec<KeyEntry>,
) -> Frame {
    Frame {
        kind,
        more,
        epoch,
        from,
        to,
        keys,
        teams: vec![],
        tiers: vec![],
        watch: crate::sync::Watch::default(),
    }
}

fn status(store: &MemoryStore, n: u8) -> Option<Status> {
    match key(store, &digest(n), &state(store).unwrap()).unwrap() {
        Some(Found::Record { record, .. }) => Some(record.status),
        _ => None,
    }
}

use FrameKind::{Delta, Resolved, Snapshot};
use Status::{Active, Revoked};

#[test]
fn a_snapshot_in_pages_is_followed_by_changes() {
    let store = MemoryStore::default();
    assert!(!state(&store).unwrap().is_complete());
    assert!(
        apply(
            &store,
            &frame(Snapshot, 7, (0, 2), true, vec![entry(1, 2, Active)]),
            T0
        )
        .unwrap()
    );
    assert!(!state(&store).unwrap().is_complete());
    assert_eq!(
        status(&store, 1),
        Some(Active),
        "a page counts as soon as it is there"
    );
    assert!(
        apply(
            &store,
            &frame(Delta, 7, (2, 5), false, vec![entry(2, 5, Active)]),
            T0
        )
        .unwrap()
    );
    assert!(state(&store).unwrap().is_complete());
    assert!(
        apply(
            &store,
            &frame(Delta, 7, (5, 6), false, vec![entry(1, 6, Revoked)]),
            T0 + 1
        )
        .unwrap()
    );
    assert_eq!(status(&store, 1), Some(Revoked));
    assert_eq!(status(&store, 2), Some(Active));
    let now = state(&store).unwrap();
    assert_eq!((now.epoch, now.version, now.synced_at), (7, 6, T0 + 1));
}

#[test]
fn the_highest_version_of_an_epoch_is_remembered_from_every_answer() {
    let store = MemoryStore::default();
    let is = || seen(&store, &state(&store).unwrap()).unwrap();
    let resolved = |epoch, at| frame(Resolved, epoch, (at, at), false, vec![]);
    assert_eq!(is(), 0);
    // The answer about a key before the first snapshot counts once the snapshot has the same epoch.
    apply(&store, &resolved(7, 9), T0).unwrap();
    assert_eq!(is(), 0);
    for (step, highest) in [
        (frame(Snapshot, 7, (0, 5), false, vec![]), 9),
        (frame(Delta, 7, (5, 12), false, vec![]), 12),
        (resolved(7, 15), 15),
        (resolved(7, 13), 15),
        // The service has another epoch, which the poll reveals.
        (resolved(8, 20), 15),
        (frame(Delta, 7, (12, 14), false, vec![]), 15),
        (frame(Snapshot, 8, (0, 3), false, vec![]), 3),
        (resolved(8, 4), 4),
    ] {
        assert!(apply(&store, &step, T0).unwrap());
        assert_eq!(is(), highest, "{step:?}");
    }
}

#[test]
fn a_frame_that_does_not_follow_is_ignored() {
    let store = MemoryStore::default();
    let _ = apply(
        &store,
        &frame(Snapshot, 7, (0, 5), false, vec![entry(1, 5, Active)]),
        T0,
    );
    for (epoch, from) in [(8, 5), (7, 4), (7, 6)] {
        let stray = frame(Delta, epoch, (from, 9), false, vec![entry(1, 9, Revoked)]);
        assert!(!apply(&store, &stray, T0).unwrap(), "{epoch} {from}");
        assert_eq!(status(&store, 1), Some(Active));
    }
}

#[test]
fn a_snapshot_removes_keys_that_it_lacks_only_once_it_is_complete() {
    let store = MemoryStore::default();
    let both = vec![entry(1, 90, Active), entry(2, 91, Active)];
    let _ = apply(&store, &frame(Snapshot, 7, (0, 91), false, both), T0);
    // The database was restored from a backup: another epoch, lower versions.
    let _ = apply(
        &store,
        &frame(Snapshot, 8, (0, 3), true, vec![entry(1, 3, Revoked)]),
        T0,
    );
    assert_eq!(status(&store, 1), Some(Revoked));
    assert_eq!(
        status(&store, 2),
        Some(Active),
        "still served while the snapshot is under way"
    );
    let _ = apply(
        &store,
        &frame(Delta, 8, (3, 4), false, vec![entry(3, 4, Active)]),
        T0,
    );
    assert_eq!(status(&store, 2), None);
    assert_eq!(status(&store, 3), Some(Active));
}

#[test]
fn a_resolved_key_counts_at_once_and_never_undoes_a_later_change() {
    let store = MemoryStore::default();
    let resolved = |v, s| frame(Resolved, 7, (v, v), false, vec![entry(1, v, s)]);
    let _ = apply(&store, &resolved(4, Active), T0);
    assert_eq!(status(&store, 1), Some(Active), "before the first snapshot");
    let _ = apply(
        &store,
        &frame(Snapshot, 7, (0, 6), false, vec![entry(1, 6, Revoked)]),
        T0,
    );
    let _ = apply(&store, &resolved(5, Active), T0);
    assert_eq!(
        status(&store, 1),
        Some(Revoked),
        "an answer that was overtaken"
    );
    let stray = frame(Resolved, 9, (99, 99), false, vec![entry(1, 99, Active)]);
    let _ = apply(&store, &stray, T0);
    assert_eq!(status(&store, 1), Some(Revoked), "of another epoch");
    let unknown = KeyEntry {
        digest: digest(5),
        version: 6,
        state: None,
    };
    let _ = apply(
        &store,
        &frame(Resolved, 7, (6, 6), false, vec![unknown]),
        T0 + 5,
    );
    let found = key(&store, &digest(5), &state(&store).unwrap()).unwrap();
    assert_eq!(found, Some(Found::None { asked_at: T0 + 5 }));
    assert_eq!(key(&store, &digest(6), &state(&store).unwrap()), Ok(None));
}

#[test]
fn keys_with_a_record_are_counted_in_the_generation_in_force() {
    let store = MemoryStore::default();
    let held = || held::read(&store, &state(&store).unwrap()).unwrap();
    let gone = |n: u8, version| KeyEntry {
        digest: digest(n),
        version,
        state: None,
    };
    assert_eq!(held(), 0);
    for (step, counted) in [
        // Before the first snapshot no generation is in force.
        (
            frame(Resolved, 7, (2, 2), false, vec![entry(1, 2, Active)]),
            0,
        ),
        (
            frame(Snapshot, 7, (0, 3), true, vec![entry(1, 2, Active)]),
            0,
        ),
        (
            frame(Delta, 7, (3, 4), false, vec![entry(2, 4, Revoked)]),
            2,
        ),
        // The same key again, and one that is new.
        (
            frame(
                Delta,
                7,
                (4, 6),
                false,
                vec![entry(1, 5, Revoked), entry(3, 6, Active)],
            ),
            3,
        ),
        (
            frame(Resolved, 7, (5, 5), false, vec![entry(3, 5, Active)]),
            3,
        ),
        (
            frame(Resolved, 7, (7, 7), false, vec![entry(4, 7, Active)]),
            4,
        ),
        (
            frame(
                Delta,
                7,
                (6, 8),
                false,
                vec![gone(3, 8), entry(4, 7, Active)],
            ),
            3,
        ),
        (
            frame(Delta, 7, (8, 9), false, vec![gone(3, 9), gone(5, 9)]),
            3,
        ),
        (frame(Resolved, 7, (9, 9), false, vec![gone(6, 9)]), 3),
        // Another history has fewer. Until it is complete the old generation is in force, and is not told.
        (
            frame(Snapshot, 8, (0, 2), true, vec![entry(1, 2, Active)]),
            0,
        ),
        (frame(Delta, 8, (2, 3), false, vec![]), 1),
        (frame(Snapshot, 9, (0, 1), false, vec![]), 0),
    ] {
        assert!(apply(&store, &step, T0).unwrap());
        assert_eq!(held(), counted, "{step:?}");
    }
}

#[test]
fn a_flood_of_keys_that_do_not_exist_takes_a_bounded_number_of_places() {
    let store = MemoryStore::default();
    let unknown = |n: u32| {
        let mut bytes = [0; 32];
        bytes[1] = (n % 4) as u8;
        bytes[28..].copy_from_slice(&n.to_be_bytes());
        KeyDigest::from_bytes(bytes)
    };
    for n in 0..1_000 {
        let keys = vec![KeyEntry {
            digest: unknown(n),
            version: 1,
            state: None,
        }];
        assert!(apply(&store, &frame(Resolved, 7, (1, 1), false, keys), T0).unwrap());
    }
    assert_eq!(
        store.len(),
        4 + 1,
        "four places, and what was seen of versions"
    );
    let state = state(&store).unwrap();
    assert_eq!(key(&store, &unknown(0), &state), Ok(None), "displaced");
    let last = key(&store, &unknown(999), &state).unwrap();
    assert_eq!(last, Some(Found::None { asked_at: T0 }));
}

#[test]
fn a_teams_credit_is_as_last_reported() {
    let store = MemoryStore::default();
    for (from, exhausted) in [(0, false), (1, true), (2, false)] {
        let kind = if from == 0 { Snapshot } else { Delta };
        let mut f = frame(kind, 7, (from, from + 1), false, vec![]);
        f.teams = vec![TeamEntry {
            team: team(),
            version: from + 1,
            exhausted,
        }];
        assert!(apply(&store, &f, T0).unwrap());
        assert_eq!(
            is_exhausted(&store, &team(), &state(&store).unwrap()),
            Ok(exhausted)
        );
    }
}

proptest! {
    #[test]
    fn the_newest_entry_stays_in_whatever_order_answers_arrive(mut versions in proptest::collection::vec(1u64..50, 1..20)) {
        let store = MemoryStore::default();
        let _ = apply(&store, &frame(Snapshot, 7, (0, 60), false, vec![]), T0);
        for v in &versions {
            let s = if v % 2 == 0 { Active } else { Revoked };
            let _ = apply(&store, &frame(Resolved, 7, (*v, *v), false, vec![entry(1, *v, s)]), T0);
        }
        versions.sort_unstable();
        let newest = versions.last().copied().unwrap();
        prop_assert_eq!(status(&store, 1), Some(if newest % 2 == 0 { Active } else { Revoked }));
    }
}

fn tier_entry(name: &str, version: u64, requests: u32) -> TierEntry {
    TierEntry {
        name: TierName::new(name).unwrap(),
        version,
        tier: Tier::of_rates(requests, 1_000),
    }
}

/// The requests a minute of the service's tier of this name.
fn told(store: &MemoryStore, name: &str) -> Option<u32> {
    let name = TierName::new(name).unwrap();
    let tier = tier(store, &name, &state(store).unwrap()).unwrap();
    tier.map(|tier| tier.requests_per_minute.get())
}

#[test]
fn tiers_follow_versions_and_generations_as_keys_do() {
    let store = MemoryStore::default();
    let with = |mut frame: Frame, tiers| {
        frame.tiers = tiers;
        frame
    };
    for (step, free, gold) in [
        // A key that is asked about before the first snapshot brings its tier along.
        (
            with(
                frame(Resolved, 7, (2, 2), false, vec![]),
                vec![tier_entry("gold", 2, 5)],
            ),
            None,
            Some(5),
        ),
        // The first page of a snapshot has all tiers.
        (
            with(
                frame(Snapshot, 7, (0, 2), true, vec![]),
                vec![tier_entry("free", 1, 60), tier_entry("gold", 3, 6)],
            ),
            Some(60),
            Some(6),
        ),
        (frame(Delta, 7, (2, 4), false, vec![]), Some(60), Some(6)),
        (
            with(
                frame(Delta, 7, (4, 5), false, vec![]),
                vec![tier_entry("free", 5, 61)],
            ),
            Some(61),
            Some(6),
        ),
        // An answer that was overtaken.
        (
            with(
                frame(Resolved, 7, (4, 4), false, vec![]),
                vec![tier_entry("free", 1, 60)],
            ),
            Some(61),
            Some(6),
        ),
        // A tier that was removed: its rate is zero here.
        (
            with(
                frame(Delta, 7, (5, 6), false, vec![]),
                vec![tier_entry("gold", 6, 0)],
            ),
            Some(61),
            None,
        ),
        // A new epoch without it.
        (frame(Snapshot, 8, (0, 1), false, vec![]), None, None),
    ] {
        assert!(apply(&store, &step, T0).unwrap());
        assert_eq!(
            (told(&store, "free"), told(&store, "gold")),
            (free, gold),
            "{step:?}"
        );
    }
}
