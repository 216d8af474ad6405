use super::memory::{FailsToWrite, MemoryStore};
use super::*;
use crate::ident::{KeyId, TeamId, TierName};
use crate::key::KeyDigest;

const POLICIES: [(Retry, u32); 3] = [
    (Retry::UntilWritten, 1_000),
    (Retry::Briefly, 8),
    (Retry::Never, 1),
];

/// Increments a counter of one byte; returns the value written.
fn count(store: &MemoryStore, retry: Retry) -> Result<u8, SwapError> {
    update(store, b"x", retry, |known| {
        let next = known.and_then(|bytes| bytes.first()).unwrap_or(&0) + 1;
        Change::Write(vec![next], next)
    })
}

#[test]
fn a_lost_swap_is_retried_as_often_as_its_policy_says() {
    for (retry, attempts) in POLICIES {
        assert_eq!(retry.attempts(), attempts);
        let store = MemoryStore::default();
        store.lose_next.set(attempts - 1);
        assert_eq!(count(&store, retry), Ok(1), "{retry:?}");
        store.lose_next.set(attempts);
        assert_eq!(count(&store, retry), Err(SwapError::Lost), "{retry:?}");
        assert_eq!(store.lose_next.get(), 0, "{retry:?}: no attempt more");
        assert_eq!(
            count(&store, retry),
            Ok(2),
            "{retry:?}: nothing was written"
        );
    }
}

#[test]
fn a_failure_of_the_store_is_not_retried() {
    for (retry, _) in POLICIES {
        let store = MemoryStore::default();
        store.broken.set(true);
        assert_eq!(count(&store, retry), Err(SwapError::Store(StoreError)));
        let store = MemoryStore::default();
        let store = FailsToWrite(&store, b"x");
        let mut asked = 0;
        let written = update(&store, b"x", retry, |_| {
            asked += 1;
            Change::Write(vec![1], ())
        });
        assert_eq!(written, Err(SwapError::Store(StoreError)), "{retry:?}");
        assert_eq!(asked, 1, "{retry:?}");
    }
}

#[test]
fn an_unchanged_value_costs_no_swap() {
    let store = MemoryStore::default();
    let kept = update(&store, b"x", Retry::Never, |known| {
        Change::Keep(known.is_none())
    });
    assert_eq!((kept, store.swaps.get(), store.len()), (Ok(true), 0, 0));
}

/// Each name as in ARCHITECTURE.md, with an example.
fn documented() -> Vec<(&'static str, Vec<u8>)> {
    let key = KeyId::new("key_1").unwrap();
    let digest = KeyDigest::from_bytes([7; 32]);
    vec![
        ("q/<account>", names::spent_of_key("key_1")),
        ("o/<account>", names::output_forecast(&key)),
        ("b/<first 2 bytes of digest>", names::object(&[7; 16])),
        ("k/<32 bytes of digest>", names::key(&digest)),
        ("n/<first 2 bytes of digest>", names::unknown_key(&digest)),
        ("i/<tier>", names::tier(&TierName::new("free").unwrap())),
        ("t/<team>", names::team(&TeamId::new("acme").unwrap())),
        ("d/state", names::SYNC_STATE.to_vec()),
        ("d/lease", names::POLL_LEASE.to_vec()),
        ("d/resolves", names::RESOLVE_BUDGET.to_vec()),
        ("d/own", names::OWN_BUDGET.to_vec()),
        ("d/proxy", names::PROXY_NAME.to_vec()),
        ("d/seen", names::SEEN_VERSION.to_vec()),
        ("d/held", names::HELD.to_vec()),
        ("d/watched", names::WATCHED.to_vec()),
    ]
}

#[test]
fn names_are_distinct_and_listed_in_the_architecture() {
    let text = include_str!("../../../../ARCHITECTURE.md");
    let (_, section) = text.split_once("\n## Shared data\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let told: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    let names = documented();
    assert_eq!(
        told,
        names.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );

    for (name, example) in &names {
        let fixed = name.split('<').next().unwrap();
        assert!(example.starts_with(fixed.as_bytes()), "{name}");
        let others = names.iter().filter(|(other, _)| other != name);
        for (other, _) in others {
            assert!(!other.starts_with(fixed), "{name} and {other}");
        }
    }
}

#[test]
fn a_digest_has_a_place_by_its_first_two_bytes() {
    let digest = |first, last| {
        KeyDigest::from_bytes(std::array::from_fn(|i| if i < 2 { first } else { last }))
    };
    assert_eq!(
        names::unknown_key(&digest(1, 2)),
        [b"n/", &[1, 1][..]].concat()
    );
    assert_eq!(
        names::unknown_key(&digest(1, 2)),
        names::unknown_key(&digest(1, 3))
    );
    assert_ne!(names::key(&digest(1, 2)), names::key(&digest(1, 3)));
    assert_eq!(names::object(&[9; 16]), [b"b/", &[9, 9][..]].concat());
}
