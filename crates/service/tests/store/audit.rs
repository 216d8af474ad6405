//! The audit log: its filters, its order, and that each filter has an index.

use gmtech_service::store::*;
use sqlx::Row;

use crate::common::*;

store_tests!(
    each_filter_shows_the_matching_entries,
    pages_join_up_whatever_the_clock_did,
    filters_are_answered_by_indexes,
);

/// Two teams, each with a member, and a third made by somebody else in between.
async fn some_changes(store: &Store) {
    let other = |now| By {
        actor: "ann@example.com".into(),
        ..by(now)
    };
    store
        .create_team(new_team("acme"), &by(later(0)))
        .await
        .unwrap();
    store
        .create_team(new_team("umbrella"), &other(later(10)))
        .await
        .unwrap();
    store
        .create_key(new_key_of("acme"), None, &other(later(20)))
        .await
        .unwrap();
    // A clock that was set back.
    store
        .create_key(new_key_of("umbrella"), None, &by(later(5)))
        .await
        .unwrap();
}

async fn log(store: &Store, filter: &AuditFilter, limit: u32) -> Vec<(i64, String)> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let got = store.audit(filter, &page(limit, after)).await.unwrap();
        entries.extend(
            got.items
                .into_iter()
                .map(|entry| ((entry.at.0 - NOON.0) / 1000, entry.action)),
        );
        after = got.next;
        if after.is_none() {
            return entries;
        }
    }
}

async fn each_filter_shows_the_matching_entries(stand: &Stand) {
    let store = stand.store.as_ref();
    some_changes(store).await;
    let all = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for (what, filter, expected) in [
        ("all", all(), vec![20, 10, 5, 0]),
        (
            "a team",
            AuditFilter {
                team: Some(team("acme")),
                ..all()
            },
            vec![20, 0],
        ),
        (
            "a subject",
            AuditFilter {
                subject: text("umbrella"),
                ..all()
            },
            vec![10],
        ),
        (
            "an actor",
            AuditFilter {
                actor: text("ann@example.com"),
                ..all()
            },
            vec![20, 10],
        ),
        (
            "an action",
            AuditFilter {
                action: text("key.create"),
                ..all()
            },
            vec![20, 5],
        ),
        (
            "an action of a team's",
            AuditFilter {
                team: Some(team("umbrella")),
                action: text("key.create"),
                ..all()
            },
            vec![5],
        ),
        (
            "from, itself included",
            AuditFilter {
                from: Some(later(10)),
                ..all()
            },
            vec![20, 10],
        ),
        (
            "to, itself not",
            AuditFilter {
                to: Some(later(10)),
                ..all()
            },
            vec![5, 0],
        ),
        (
            "everything at once",
            AuditFilter {
                team: Some(team("acme")),
                actor: text("ann@example.com"),
                action: text("key.create"),
                from: Some(later(20)),
                to: Some(later(21)),
                ..all()
            },
            vec![20],
        ),
        (
            "a part of an action",
            AuditFilter {
                action: text("key"),
                ..all()
            },
            vec![],
        ),
    ] {
        for limit in [1, 50] {
            let found = log(store, &filter, limit).await;
            let at: Vec<i64> = found.iter().map(|(at, _)| *at).collect();
            assert_eq!(at, expected, "{what}, {limit} to a page");
        }
    }
}

async fn pages_join_up_whatever_the_clock_did(stand: &Stand) {
    let store = stand.store.as_ref();
    some_changes(store).await;
    for _ in 0..5 {
        store
            .create_key(new_key_of("acme"), None, &by(later(5)))
            .await
            .unwrap();
    }
    let at_once = log(store, &AuditFilter::default(), 50).await;
    assert_eq!(at_once.len(), 9);
    for limit in 1..4 {
        assert_eq!(log(store, &AuditFilter::default(), limit).await, at_once);
    }
    let gone = store
        .audit(&AuditFilter::default(), &page(5, Some("999".into())))
        .await;
    assert!(matches!(gone, Err(StoreError::BadCursor)), "{gone:?}");
}

/// Each filter reads the log along an index that is in the list's order: nothing is sorted, so that a page costs the same in
/// a log of a million entries.
async fn filters_are_answered_by_indexes(stand: &Stand) {
    if !matches!(stand.url, Location::File(_)) {
        // PostgreSQL plans by the size of a table, and this one is small.
        return;
    }
    let mut raw = stand.url.connect().await;
    for (filters, index) in [
        ("", "audit_at"),
        ("at >= 1 AND at < 9", "audit_at"),
        ("team_id = 'a'", "audit_team"),
        ("subject = 'a' AND at < 9", "audit_subject"),
        ("actor = 'a'", "audit_actor"),
        ("action = 'a' AND at >= 1", "audit_action"),
        ("team_id = 'a' AND actor = 'a'", "audit_team_actor"),
        ("team_id = 'a' AND action = 'a'", "audit_team_action"),
    ] {
        let filters = match filters {
            "" => String::new(),
            filters => format!(" AND {filters}"),
        };
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM audit WHERE 1 = 1{filters} AND (at, seq) < (5, 5) ORDER BY at DESC, seq DESC LIMIT 51"
        );
        let plan: Vec<String> = sqlx::query(&sql)
            .fetch_all(&mut raw)
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("detail").unwrap())
            .collect();
        let plan = plan.join("; ");
        assert!(
            plan.contains(&format!("USING INDEX {index} ")),
            "{filters}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{filters}: {plan}");
    }
}
