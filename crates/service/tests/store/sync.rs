//! The changes that proxies read.

use gmtech_core::ident::TierName;
use gmtech_core::record::Status;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_delta_holds_each_change_once_and_in_order,
    changes_made_while_paging_are_not_missed,
    versions_never_repeat_under_concurrent_writers,
    a_digest_resolves_at_once,
    a_new_epoch_is_another_history,
);

/// Reads everything after `since` in pages of `limit`.
async fn follow(store: &Store, mut since: u64, limit: usize) -> (Vec<(u64, String)>, u64) {
    let mut seen = Vec::new();
    loop {
        let changes = store.changes(since, limit).await.unwrap();
        assert!(changes.keys.len() + changes.teams.len() <= limit);
        seen.extend(changes.keys.iter().map(|k| {
            (
                k.version,
                k.state
                    .as_ref()
                    .unwrap()
                    .record
                    .readable()
                    .unwrap()
                    .id
                    .to_string(),
            )
        }));
        seen.extend(
            changes
                .teams
                .iter()
                .map(|t| (t.version, t.team.to_string())),
        );
        since = changes.to.version;
        if !changes.more {
            return (seen, since);
        }
    }
}

async fn a_delta_holds_each_change_once_and_in_order(stand: &Stand) {
    let store = stand.store.as_ref();
    let first = with_key(stand).await;
    for _ in 0..6 {
        store
            .create_key(new_key_of("acme"), None, &by(NOON))
            .await
            .unwrap();
    }
    let (all, head) = follow(store, 0, 3).await;
    assert_eq!(all.len(), 8, "a team and seven keys");
    assert_eq!(head, store.head().await.unwrap().version);
    assert!(follow(store, head, 3).await.0.is_empty());
    store
        .set_status(&first.record.id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    let (delta, after) = follow(store, head, 3).await;
    assert_eq!(delta, [(head + 1, first.record.id.to_string())]);
    assert_eq!(after, head + 1);
}

async fn changes_made_while_paging_are_not_missed(stand: &Stand) {
    let store = stand.store.as_ref();
    let first = with_key(stand).await;
    for _ in 0..6 {
        store
            .create_key(new_key_of("acme"), None, &by(NOON))
            .await
            .unwrap();
    }
    let page = store.changes(0, 4).await.unwrap();
    assert!(page.more);
    store
        .set_status(&first.record.id, Status::Revoked, &by(NOON))
        .await
        .unwrap();
    let (rest, _) = follow(store, page.to.version, 4).await;
    assert!(
        rest.iter()
            .any(|(_, id)| *id == first.record.id.to_string())
    );
}

async fn versions_never_repeat_under_concurrent_writers(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let other = std::sync::Arc::new(stand.url.open().await);
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = if n % 2 == 0 {
            store.clone()
        } else {
            other.clone()
        };
        writers.spawn(async move {
            store
                .create_key(new_key_of("acme"), None, &by(NOON))
                .await
                .unwrap()
                .key
                .version
        });
    }
    let mut seen: u64 = key.version;
    while let Some(done) = writers.join_next().await {
        // A reader that has reached the head has seen every version that was returned before.
        let version = done.unwrap();
        let head = store.head().await.unwrap().version;
        assert!(version <= head);
        seen = seen.max(version);
    }
    let (all, head) = follow(store.as_ref(), 0, 100).await;
    let mut versions: Vec<_> = all.iter().map(|(v, _)| *v).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(
        versions.len(),
        42,
        "a team and 41 keys, each with a version of its own"
    );
    assert_eq!(head, seen);
}

async fn a_digest_resolves_at_once(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let new = new_key_of("acme");
    let digest = new.secret.digest;
    assert!(store.resolve(&digest).await.unwrap().1.is_none());
    let made = store.create_key(new, None, &by(NOON)).await.unwrap().key;
    let (head, found) = store.resolve(&digest).await.unwrap();
    let (entry, credit, tier) = found.unwrap();
    assert_eq!(tier, None, "the store has no tiers");
    assert_eq!(entry.state.unwrap().record, made.record.into());
    assert_eq!((entry.version, credit.exhausted), (made.version, false));
    assert!(head.version >= entry.version);
}

async fn a_new_epoch_is_another_history(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    let before = store.head().await.unwrap();
    assert_eq!(
        stand.url.open().await.head().await.unwrap(),
        before,
        "opening again changes nothing"
    );
    let after = store
        .new_epoch(before, "restored", &[], &by(NOON))
        .await
        .unwrap();
    let again = store
        .new_epoch(before, "restored", &[], &by(NOON))
        .await
        .unwrap();
    assert_eq!(again, after, "another process has done it already");
    assert_ne!(before.epoch, after.epoch);
    assert!(after.version > before.version);
    let told = ProxyTold {
        filter: Some("1.2.3".into()),
        held: Some(7),
        tiers: Some([(TierName::new("free").unwrap(), "0a".to_owned())].into()),
    };
    let nothing = ProxyTold::default();
    store.report("envoy-1", after, &told, NOON).await.unwrap();
    // A receipt tells nothing more; what was told stays.
    store
        .report("envoy-1", after, &nothing, later(5))
        .await
        .unwrap();
    let seen = store.proxies(NOON).await.unwrap();
    assert_eq!(
        seen,
        [Proxy {
            id: "envoy-1".into(),
            applied: after,
            told: told.clone(),
            seen_at: later(5)
        }]
    );
    // Reports are sent concurrently and may overtake each other; the version goes back only with another epoch.
    let step = |epoch, version| Head { epoch, version };
    for (said, kept) in [
        (step(after.epoch, after.version - 1), after),
        (
            step(after.epoch, after.version + 4),
            step(after.epoch, after.version + 4),
        ),
        (step(before.epoch, 1), step(before.epoch, 1)),
    ] {
        store
            .report("envoy-1", said, &told, later(5))
            .await
            .unwrap();
        assert_eq!(store.proxies(NOON).await.unwrap()[0].applied, kept);
    }
    assert!(store.proxies(later(6)).await.unwrap().is_empty());
}
