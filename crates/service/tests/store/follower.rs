//! The property of synchronisation: a follower that reads the changes in pages of any size, at any moments, while
//! others write, ends with exactly the store's data.

use std::collections::BTreeMap;

use gmtech_core::key::KeyDigest;
use gmtech_core::record::Status;
use gmtech_core::sync::{KeyEntry, TeamEntry};
use gmtech_service::store::*;
use proptest::prelude::*;

use crate::common::*;

#[derive(Clone, Debug)]
enum Step {
    Create,
    SetStatus(usize, Status),
    Rename(usize),
    Rotate(usize),
    TopUp,
    Spend(usize),
    /// Reads one page of at most this many changes.
    Poll(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop_oneof![
        Just(Status::Active),
        Just(Status::Suspended),
        Just(Status::Revoked)
    ];
    let step = prop_oneof![
        3 => Just(Step::Create),
        3 => (any::<usize>(), status).prop_map(|(key, status)| Step::SetStatus(key, status)),
        1 => any::<usize>().prop_map(Step::Rename),
        1 => any::<usize>().prop_map(Step::Rotate),
        1 => Just(Step::TopUp),
        2 => any::<usize>().prop_map(Step::Spend),
        4 => (1usize..4).prop_map(Step::Poll),
    ];
    proptest::collection::vec(step, 1..50)
}

#[derive(Default)]
struct Follower {
    version: u64,
    keys: BTreeMap<KeyDigest, KeyEntry>,
    teams: BTreeMap<String, TeamEntry>,
}

impl Follower {
    async fn poll(&mut self, store: &Store, limit: usize) -> bool {
        let page = store.changes(self.version, limit).await.unwrap();
        assert!(page.to.version >= self.version);
        for entry in page.keys {
            assert!(entry.version > self.version && entry.version <= page.to.version);
            self.keys.insert(entry.digest, entry);
        }
        for entry in page.teams {
            assert!(entry.version > self.version && entry.version <= page.to.version);
            self.teams.insert(entry.team.to_string(), entry);
        }
        self.version = page.to.version;
        page.more
    }
}

async fn run(stand: &Stand, steps: Vec<Step>) {
    let store = stand.store.as_ref();
    let mut keys = vec![with_key(stand).await];
    let mut follower = Follower::default();
    for (n, step) in (0u64..).zip(steps) {
        let at = |any: usize| keys[any % keys.len()].clone();
        match step {
            Step::Create => keys.push(
                store
                    .create_key(new_key_of("acme"), None, &by(NOON))
                    .await
                    .unwrap()
                    .key,
            ),
            // A revoked key cannot be changed; the refused call is a step too.
            Step::SetStatus(key, status) => {
                let _ = store
                    .set_status(&at(key).record.id, status, &by(NOON))
                    .await;
            }
            Step::Rename(key) => {
                let patch = KeyPatch {
                    name: Some(format!("n{n}")),
                    ..KeyPatch::default()
                };
                let _ = store.update_key(&at(key).record.id, patch, &by(NOON)).await;
            }
            Step::Rotate(key) => {
                if let Ok(rotated) = store
                    .rotate_key(&at(key).record.id, rotation(60), &by(NOON))
                    .await
                {
                    keys.push(rotated.new);
                }
            }
            Step::TopUp => {
                let top_up = NewCredit {
                    amount: 100,
                    note: String::new(),
                    once: None,
                };
                store
                    .credit(&team("acme"), top_up, &by(NOON))
                    .await
                    .unwrap();
            }
            Step::Spend(key) => {
                store.ingest(&[event(&at(key), n, 70)], NOON).await.unwrap();
            }
            Step::Poll(limit) => {
                follower.poll(store, limit).await;
            }
        }
    }
    while follower.poll(store, 3).await {}
    assert_eq!(follower.version, store.head().await.unwrap().version);
    let all = store.changes(0, 10_000).await.unwrap();
    assert!(!all.more);
    assert_eq!(all.keys.len(), keys.len());
    assert_eq!(all.keys.len(), follower.keys.len());
    for entry in all.keys {
        let (_, resolved) = store.resolve(&entry.digest).await.unwrap();
        assert_eq!(resolved.unwrap().0, entry);
        assert_eq!(follower.keys[&entry.digest], entry);
    }
    for entry in all.teams {
        assert_eq!(follower.teams[entry.team.as_str()], entry);
        let is = store.team(&entry.team).await.unwrap();
        assert_eq!(entry.exhausted, is.prepaid && is.balance_nano_usd <= 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_follower_ends_with_the_stores_data(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { run(&sqlite().await, steps).await });
    }
}
