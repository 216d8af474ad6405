//! Tiers, and how changes of them travel.

use gmtech_core::ident::TierName;
use gmtech_core::tier::Tier;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    tiers_are_seeded_once,
    a_change_takes_a_version_and_travels,
    a_tier_with_keys_stays,
    a_change_of_what_has_changed_meanwhile_is_refused,
);

fn name(text: &str) -> TierName {
    TierName::new(text).unwrap()
}

fn tier(requests: u32) -> Tier {
    Tier::of_rates(requests, 1_000).unwrap()
}

async fn names(store: &Store) -> Vec<String> {
    let tiers = store.tiers().await.unwrap();
    tiers.iter().map(|tier| tier.name.to_string()).collect()
}

async fn tiers_are_seeded_once(stand: &Stand) {
    let store = &stand.store;
    let first = [(name("free"), tier(60)), (name("pro"), tier(3_000))];
    store.seed_tiers(&first, &by(NOON)).await.unwrap();
    assert_eq!(names(store).await, ["free", "pro"]);
    // Also where all of them were removed: that was somebody's wish.
    for (name, _) in &first {
        store.remove_tier(name, &by(NOON)).await.unwrap();
    }
    store.seed_tiers(&first, &by(NOON)).await.unwrap();
    assert!(names(store).await.is_empty());
}

async fn a_change_takes_a_version_and_travels(stand: &Stand) {
    let store = &stand.store;
    let gold = name("gold");
    let made = store.create_tier(&gold, &tier(7), &by(NOON)).await.unwrap();
    let told = |since| async move {
        let changes = store.changes(since, 10).await.unwrap();
        assert_eq!(changes.to, store.head().await.unwrap());
        let told = changes.tiers.into_iter();
        told.map(|t| (t.version, t.tier.map(|t| t.requests_per_minute.get())))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(0).await, [(made.version, Some(7))]);
    assert_eq!(told(made.version).await, []);

    let same = store
        .update_tier(&gold, &tier(7), &tier(7), &by(NOON))
        .await
        .unwrap();
    assert_eq!(same.version, made.version, "nothing has changed");
    let changed = store
        .update_tier(&gold, &tier(7), &tier(9), &by(NOON))
        .await
        .unwrap();
    assert!(changed.version > made.version);
    assert_eq!(told(made.version).await, [(changed.version, Some(9))]);

    store.remove_tier(&gold, &by(NOON)).await.unwrap();
    let removed = store.head().await.unwrap().version;
    assert_eq!(told(changed.version).await, [(removed, None)]);
    assert_eq!(told(0).await, [], "a snapshot has no trace of it");

    let again = store.create_tier(&gold, &tier(8), &by(NOON)).await.unwrap();
    assert_eq!(told(removed).await, [(again.version, Some(8))]);
    let audit = store.audit(&AuditFilter::default(), &page(9, None)).await;
    let actions: Vec<_> = audit.unwrap().items.into_iter().map(|e| e.action).collect();
    assert_eq!(
        actions,
        ["tier.create", "tier.remove", "tier.update", "tier.create"]
    );
}

async fn a_tier_with_keys_stays(stand: &Stand) {
    let store = &stand.store;
    let free = name("free");
    store
        .create_tier(&free, &tier(60), &by(NOON))
        .await
        .unwrap();
    let key = with_key(stand).await;
    assert_eq!(store.keys_of_tier(&free).await.unwrap(), 1);
    let refused = store.remove_tier(&free, &by(NOON)).await.unwrap_err();
    assert!(
        refused.to_string().contains("1 keys have tier free"),
        "{refused}"
    );
    let (_, found) = store.resolve(&digest_of(stand, &key).await).await.unwrap();
    let (_, _, told) = found.unwrap();
    assert_eq!(
        told.unwrap().tier,
        Some(tier(60)),
        "a key brings its tier along"
    );

    store
        .set_status(
            &key.record.id,
            gmtech_core::record::Status::Revoked,
            &by(NOON),
        )
        .await
        .unwrap();
    store.remove_tier(&free, &by(NOON)).await.unwrap();
    // A request that was checked before the tier was removed.
    let late = store.create_key(new_key_of("acme"), None, &by(NOON)).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
}

/// The digest of the only key.
async fn digest_of(stand: &Stand, key: &KeyInfo) -> gmtech_core::key::KeyDigest {
    let changes = stand.store.changes(0, 10).await.unwrap();
    let of = |entry: &&gmtech_core::sync::KeyEntry| {
        let record = entry.state.as_ref().unwrap().record.readable();
        record.is_some_and(|record| record.id == key.record.id)
    };
    changes.keys.iter().find(of).unwrap().digest
}

async fn a_change_of_what_has_changed_meanwhile_is_refused(stand: &Stand) {
    let store = &stand.store;
    let gold = name("gold");
    store.create_tier(&gold, &tier(7), &by(NOON)).await.unwrap();
    let taken = store.create_tier(&gold, &tier(8), &by(NOON)).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))));
    let late = store
        .update_tier(&gold, &tier(6), &tier(9), &by(NOON))
        .await;
    assert!(matches!(late, Err(StoreError::Conflict(_))));
    assert_eq!(store.tiers().await.unwrap()[0].tier, tier(7));
}
