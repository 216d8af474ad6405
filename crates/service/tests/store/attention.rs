//! Keys that deserve a look.

use gmtech_core::record::Status;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    each_key_is_looked_at_for_its_own_reasons,
    counts_stop_at_a_thousand
);

const DAY: i64 = 86_400;

async fn each_key_is_looked_at_for_its_own_reasons(stand: &Stand) {
    let store = &stand.store;
    for id in ["acme", "other"] {
        store.create_team(new_team(id), &by(NOON)).await.unwrap();
    }
    let at = |seconds: i64| u64::try_from(later(seconds).0 / 1_000).unwrap();
    let make = async |name: &str, expires: Option<i64>, budget: bool, made: i64| {
        let mut new = new_key_of("acme");
        new.name = name.into();
        new.expires_at = expires.map(at);
        new.budgets.day_nano_usd = budget.then_some(1_000);
        let made = store.create_key(new, None, &by(later(made))).await.unwrap();
        made.key
    };
    // Each has what it needs but for one thing.
    make("good", Some(30 * DAY), true, 0).await;
    make("for ever", None, true, 0).await;
    make("without budget", Some(30 * DAY), false, 0).await;
    let used = make("unused", Some(30 * DAY), true, -91 * DAY).await;
    make("soon", Some(6 * DAY), true, 0).await;
    make("not so soon", Some(8 * DAY), true, 0).await;
    make("over", Some(-DAY), false, -100 * DAY).await;
    let revoked = make("revoked and used", None, false, -100 * DAY).await;
    let quiet = make("revoked", None, false, -100 * DAY).await;
    let old = make("used long ago", None, false, -100 * DAY).await;
    store
        .create_key(new_key_of("other"), None, &by(NOON))
        .await
        .unwrap();
    for (n, key, days_ago) in [(1, &revoked, 2), (2, &revoked, 1), (3, &old, 9)] {
        let mut refused = event(key, n, 0);
        refused.event.decision = gmtech_core::sync::events::Label::clip("key_revoked").into();
        refused.event.started_unix_ms = u64::try_from(later(-days_ago * DAY).0).unwrap();
        store
            .ingest(&[refused], later(-days_ago * DAY))
            .await
            .unwrap();
    }
    for key in [&revoked, &quiet, &old] {
        let id = &key.record.id;
        store
            .set_status(id, Status::Revoked, &by(NOON))
            .await
            .unwrap();
    }
    for (attention, names) in [
        (Attention::NeverExpires, &["for ever"][..]),
        (Attention::NoBudget, &["without budget"]),
        (Attention::Unused, &["unused"]),
        (Attention::ExpiresSoon, &["soon"]),
        (Attention::RevokedInUse, &["revoked and used"]),
    ] {
        let team = team("acme");
        let found = store
            .keys_to_look_at(&team, attention, NOON, 0, 10)
            .await
            .unwrap();
        let found: Vec<_> = found.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(found, names, "{attention:?}");
        let count = store
            .count_to_look_at(&team, attention, NOON)
            .await
            .unwrap();
        assert_eq!(count as usize, names.len(), "{attention:?}");
        let after = store
            .keys_to_look_at(&team, attention, NOON, 1, 10)
            .await
            .unwrap();
        assert!(after.is_empty(), "{attention:?}");
    }
    // A use ends that it is unused.
    store.ingest(&[event(&used, 9, 1)], NOON).await.unwrap();
    let acme = team("acme");
    let unused = store.count_to_look_at(&acme, Attention::Unused, NOON);
    assert_eq!(unused.await.unwrap(), 0);
}

async fn counts_stop_at_a_thousand(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let many = |count| (0..count).map(|_| new_key_of("acme")).collect();
    for (made, counted) in [(999, 999), (2, 1_000)] {
        store
            .create_keys(many(made), None, &by(NOON))
            .await
            .unwrap();
        let acme = team("acme");
        let count = store.count_to_look_at(&acme, Attention::NoBudget, NOON);
        assert_eq!(count.await.unwrap(), counted);
    }
}
