//! What every store must do. Each test runs on SQLite, and on PostgreSQL where `GMTECH_TEST_POSTGRES_URL` names a
//! server (`tests/postgres.sh` starts one).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod common;

use common::*;
use gmtech_core::record::Status;
use gmtech_core::sync::events::Label;
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis};
use gmtech_service::store::*;

/// One test of a store as two: `name::sqlite` and `name::postgres`.
macro_rules! store_tests {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(&super::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                match super::postgres().await {
                    Some(stand) => super::$name(&stand).await,
                    None => eprintln!("skipped: GMTECH_TEST_POSTGRES_URL is not set"),
                }
            }
        }
    )*};
}

store_tests!(
    a_key_comes_back_as_it_was_made,
    a_revoked_key_stays_revoked,
    a_call_with_the_same_token_happens_once,
    rotation_ends_the_old_key_after_the_overlap,
    every_page_is_full_and_no_key_is_missed,
    every_change_is_in_the_audit_log,
    a_delta_holds_each_change_once_and_in_order,
    changes_made_while_paging_are_not_missed,
    versions_never_repeat_under_concurrent_writers,
    a_digest_resolves_at_once,
    an_event_is_charged_once,
    fifty_writers_leave_the_balance_at_the_sum_of_the_ledger,
    the_ledger_and_the_audit_log_cannot_be_changed,
    credit_runs_out_and_comes_back,
    a_spent_budget_opens_again_the_next_day,
    closing_old_days_keeps_every_sum,
    usage_is_grouped_and_refusals_are_counted_by_reason,
    tokens_work_until_they_are_revoked,
    a_new_epoch_is_another_history,
    members_are_added_changed_and_removed,
);

async fn with_key(stand: &Stand) -> KeyInfo {
    stand
        .store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let made = stand
        .store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap();
    made.key
}

async fn a_key_comes_back_as_it_was_made(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let new = NewKey {
        models: serde_json::from_str(r#"["gpt-4o*"]"#).unwrap(),
        limits: serde_json::from_str(r#"{"requests_per_minute": 7}"#).unwrap(),
        expires_at: Some(1_900_000_000),
        budgets: Budgets {
            day_nano_usd: Some(5),
            month_nano_usd: None,
        },
        ..new_key_of("acme")
    };
    let made = store
        .create_key(new.clone(), None, &by(NOON))
        .await
        .unwrap()
        .key;
    assert_eq!(store.key(&made.record.id).await.unwrap(), made);
    assert_eq!(
        (
            &made.record.models,
            &made.record.limits,
            made.record.expires_at,
            made.budgets
        ),
        (&new.models, &new.limits, new.expires_at, new.budgets)
    );
    let orphan = store
        .create_key(new_key_of("nobody"), None, &by(NOON))
        .await;
    assert!(matches!(orphan, Err(StoreError::NotFound("team"))));
    let twice = store.create_key(new, None, &by(NOON)).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))));
}

async fn a_revoked_key_stays_revoked(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    for (status, ok) in [
        (Status::Suspended, true),
        (Status::Active, true),
        (Status::Revoked, true),
        (Status::Revoked, true),
        (Status::Active, false),
        (Status::Suspended, false),
    ] {
        assert_eq!(
            store.set_status(id, status, &by(NOON)).await.is_ok(),
            ok,
            "{status:?}"
        );
    }
    let patch = KeyPatch {
        name: Some("x".into()),
        ..KeyPatch::default()
    };
    assert!(store.update_key(id, patch, &by(NOON)).await.is_err());
    assert_eq!(store.key(id).await.unwrap().record.status, Status::Revoked);
    // The second revocation changed nothing, so it took no version.
    assert_eq!(store.key(id).await.unwrap().version, key.version + 3);
}

async fn a_call_with_the_same_token_happens_once(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let once = |request: u8| {
        Some(Once {
            token: "t1".into(),
            request: [request; 32],
        })
    };
    let first = store
        .create_key(new_key_of("acme"), once(1), &by(NOON))
        .await
        .unwrap();
    let again = store
        .create_key(new_key_of("acme"), once(1), &by(NOON))
        .await
        .unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.key.record.id, again.key.record.id);
    let other = store
        .create_key(new_key_of("acme"), once(2), &by(NOON))
        .await;
    assert!(matches!(other, Err(StoreError::Conflict(_))));
    let someone_else = By {
        actor: "other".into(),
        now: NOON,
    };
    assert!(
        !store
            .create_key(new_key_of("acme"), once(2), &someone_else)
            .await
            .unwrap()
            .replayed
    );
    let top_up = || NewCredit {
        amount: 100,
        note: String::new(),
        once: Some(Once {
            token: "t2".into(),
            request: [9; 32],
        }),
    };
    for _ in 0..3 {
        let team = store
            .credit(&team("acme"), top_up(), &by(NOON))
            .await
            .unwrap();
        assert_eq!(team.balance_nano_usd, 100);
    }
}

async fn rotation_ends_the_old_key_after_the_overlap(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let rotated = store
        .rotate_key(&key.record.id, secret(), 3600, &by(NOON))
        .await
        .unwrap();
    assert_eq!(
        rotated.old.record.expires_at,
        Some(NOON.unix_seconds() + 3600)
    );
    assert_eq!(rotated.old.record.status, Status::Active);
    assert_eq!(rotated.old.rotated_to, Some(rotated.new.record.id.clone()));
    assert_eq!(rotated.new.record.expires_at, None);
    assert_eq!(
        (&rotated.new.name, &rotated.new.record.tier),
        (&key.name, &key.record.tier)
    );
    let twice = store
        .rotate_key(&key.record.id, secret(), 3600, &by(NOON))
        .await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))));
    // A key that ends sooner by itself is not prolonged.
    let short = NewKey {
        expires_at: Some(NOON.unix_seconds() + 60),
        ..new_key_of("acme")
    };
    let short = store.create_key(short, None, &by(NOON)).await.unwrap().key;
    let rotated = store
        .rotate_key(&short.record.id, secret(), 3600, &by(NOON))
        .await
        .unwrap();
    assert_eq!(rotated.old.record.expires_at, short.record.expires_at);
}

async fn every_page_is_full_and_no_key_is_missed(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    for n in 0..10 {
        // Several in the same millisecond: the id must break ties.
        store
            .create_key(new_key_of("acme"), None, &by(Millis(NOON.0 + n / 4)))
            .await
            .unwrap();
    }
    let (mut seen, mut after, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let got = store
            .keys(&KeyFilter::default(), &page(4, after))
            .await
            .unwrap();
        sizes.push(got.items.len());
        seen.extend(got.items.into_iter().map(|k| (k.created_at, k.record.id)));
        after = got.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [4, 4, 3]);
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    sorted.reverse();
    assert_eq!(seen, sorted, "the newest first, none twice");
    let suspended = KeyFilter {
        status: Some(Status::Suspended),
        ..KeyFilter::default()
    };
    assert!(
        store
            .keys(&suspended, &page(4, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let others = KeyFilter {
        team: Some(team("other")),
        ..KeyFilter::default()
    };
    assert!(
        store
            .keys(&others, &page(4, None))
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn every_change_is_in_the_audit_log(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let id = &key.record.id;
    let patch = KeyPatch {
        name: Some("renamed".into()),
        ..KeyPatch::default()
    };
    store
        .update_key(id, patch.clone(), &by(later(1)))
        .await
        .unwrap();
    store.update_key(id, patch, &by(later(2))).await.unwrap();
    store
        .set_status(id, Status::Revoked, &by(later(3)))
        .await
        .unwrap();
    let of_key = AuditFilter {
        subject: Some(id.to_string()),
        ..AuditFilter::default()
    };
    let log = store.audit(&of_key, &page(10, None)).await.unwrap().items;
    let said: Vec<_> = log.iter().map(|e| (e.at, &*e.actor, &*e.action)).collect();
    assert_eq!(
        said,
        [
            (later(3), "tester", "key.revoke"),
            (later(1), "tester", "key.update"),
            (NOON, "tester", "key.create")
        ],
        "a change to what it is already is no change"
    );
    assert_eq!(
        log[1].detail["name"],
        serde_json::json!({"was": "ci", "is": "renamed"})
    );
    let of_team = AuditFilter {
        team: Some(team("acme")),
        ..AuditFilter::default()
    };
    assert_eq!(
        store
            .audit(&of_team, &page(2, None))
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

/// Reads everything after `since` in pages of `limit`.
async fn follow(store: &dyn Store, mut since: u64, limit: usize) -> (Vec<(u64, String)>, u64) {
    let mut seen = Vec::new();
    loop {
        let changes = store.changes(since, limit).await.unwrap();
        assert!(changes.keys.len() + changes.teams.len() <= limit);
        seen.extend(
            changes
                .keys
                .iter()
                .map(|k| (k.version, k.state.as_ref().unwrap().record.id.to_string())),
        );
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
        // Who has read up to the head has seen every version that was answered before.
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
    let (entry, credit) = found.unwrap();
    assert_eq!(entry.state.unwrap().record, made.record);
    assert_eq!((entry.version, credit.exhausted), (made.version, false));
    assert!(head.version >= entry.version);
}

async fn an_event_is_charged_once(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let batch = [event(&key, 1, 100), event(&key, 2, 30), event(&key, 1, 100)];
    let first = store.ingest(&batch, NOON).await.unwrap();
    assert_eq!((first.accepted, first.duplicate), (2, 1));
    let again = store.ingest(&batch, later(60)).await.unwrap();
    assert_eq!((again.accepted, again.duplicate), (0, 3));
    assert_eq!(
        store.team(&team("acme")).await.unwrap().balance_nano_usd,
        -130
    );
    assert_eq!(
        store.key(&key.record.id).await.unwrap().last_used_at,
        Some(NOON)
    );
    let mut stranger = event(&key, 3, 5);
    stranger.event.team = team("other");
    let mut unknown = event(&key, 4, 5);
    unknown.event.key = secret().id;
    let refused = store.ingest(&[stranger, unknown], NOON).await.unwrap();
    assert_eq!((refused.accepted, refused.unknown_key), (0, 2));
}

/// The sums that must be equal: balance, ledger rows, and top-ups less daily costs.
async fn books(store: &dyn Store, id: &str) -> (i64, i64, i64) {
    let balance = store.team(&team(id)).await.unwrap().balance_nano_usd;
    let rows = store
        .ledger(&team(id), &page(100_000, None))
        .await
        .unwrap()
        .items;
    let ledger: i64 = rows.iter().map(|r| r.amount_nano_usd).sum();
    let top_ups: i64 = rows
        .iter()
        .filter(|r| r.kind == "top_up")
        .map(|r| r.amount_nano_usd)
        .sum();
    let query = UsageQuery {
        team: Some(team(id)),
        ..UsageQuery::default()
    };
    let costs: i64 = store
        .usage(&query)
        .await
        .unwrap()
        .iter()
        .map(|u| u.cost_nano_usd)
        .sum();
    (balance, ledger, top_ups - costs)
}

async fn fifty_writers_leave_the_balance_at_the_sum_of_the_ledger(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let second = store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap()
        .key;
    let other = std::sync::Arc::new(stand.url.open().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..50u64 {
        let (key, store) = match writer % 2 {
            0 => (key.clone(), store.clone()),
            _ => (second.clone(), other.clone()),
        };
        writers.spawn(async move {
            for batch in 0..4u64 {
                // Every event is sent by two writers.
                let first = (writer / 4) * 1000 + batch * 10 + writer % 2 * 5;
                let events: Vec<_> = (first..first + 5).map(|n| event(&key, n, 7)).collect();
                store.ingest(&events, NOON).await.unwrap();
            }
            if writer % 10 == 0 {
                let top_up = NewCredit {
                    amount: 1000,
                    note: String::new(),
                    once: None,
                };
                store
                    .credit(&team("acme"), top_up, &by(NOON))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    // 13 groups of writers, 2 keys each but for the last, 4 batches of 5 events.
    let events = 13 * 2 * 4 * 5;
    let expected = 5 * 1000 - 7 * events;
    assert_eq!(
        books(store.as_ref(), "acme").await,
        (expected, expected, expected)
    );
}

async fn the_ledger_and_the_audit_log_cannot_be_changed(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store.ingest(&[event(&key, 1, 100)], NOON).await.unwrap();
    sqlx::any::install_default_drivers();
    let url = match &stand.url {
        Place::File(path) => format!("sqlite://{}", path.display()),
        Place::Server(url) => url.clone(),
    };
    let mut raw = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    for statement in [
        "UPDATE ledger SET amount = 0 WHERE seq = 1",
        "DELETE FROM ledger",
        "UPDATE audit SET actor = 'me'",
        "DELETE FROM audit",
        "INSERT INTO ledger (at, team_id, kind, amount, actor) VALUES (0, 'acme', 'top_up', -5, 'me')",
        "INSERT INTO ledger (at, team_id, kind, amount, actor) VALUES (0, 'acme', 'charge', -5, 'me')",
        "INSERT INTO ledger (at, team_id, kind, amount, actor) VALUES (0, 'nobody', 'top_up', 5, 'me')",
    ] {
        assert!(
            sqlx::query(statement).execute(&mut raw).await.is_err(),
            "{statement}"
        );
    }
}

async fn credit_runs_out_and_comes_back(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let credit = |amount| NewCredit {
        amount,
        note: "n".into(),
        once: None,
    };
    // Without a pool a team is billed afterwards and never exhausted.
    store.ingest(&[event(&key, 1, 10)], NOON).await.unwrap();
    assert!(!store.team(&team("acme")).await.unwrap().exhausted);
    for (step, amount, cost, balance, exhausted) in [
        ("a top-up makes it prepaid", 110, 0, 100, false),
        ("usage leaves one", 0, 99, 1, false),
        ("the last unit", 0, 1, 0, true),
        ("debt is carried", 0, 50, -50, true),
        ("too small a top-up", 50, 0, 0, true),
        ("enough", 1, 0, 1, false),
        ("a correction", -1, 0, 0, true),
    ] {
        let before = store.head().await.unwrap().version;
        if amount != 0 {
            store
                .credit(&team("acme"), credit(amount), &by(NOON))
                .await
                .unwrap();
        }
        if cost != 0 {
            let n = before * 1000 + u64::try_from(cost).unwrap();
            store.ingest(&[event(&key, n, cost)], NOON).await.unwrap();
        }
        let is = store.team(&team("acme")).await.unwrap();
        assert_eq!(
            (is.balance_nano_usd, is.exhausted),
            (balance, exhausted),
            "{step}"
        );
    }
    let team_now = store.team(&team("acme")).await.unwrap();
    let (_, found) = store
        .resolve(&resolve_digest(store.as_ref(), &key).await)
        .await
        .unwrap();
    let entry = found.unwrap().1;
    assert_eq!((entry.exhausted, entry.version), (true, team_now.version));
}

async fn resolve_digest(store: &dyn Store, key: &KeyInfo) -> gmtech_core::key::KeyDigest {
    let changes = store.changes(0, 100).await.unwrap();
    let found = changes
        .keys
        .iter()
        .find(|k| k.state.as_ref().unwrap().record.id == key.record.id);
    found.unwrap().digest
}

async fn a_spent_budget_opens_again_the_next_day(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let budgets = Budgets {
        day_nano_usd: Some(100),
        month_nano_usd: Some(150),
    };
    let new = NewKey {
        budgets,
        ..new_key_of("acme")
    };
    let key = store.create_key(new, None, &by(NOON)).await.unwrap().key;
    let id = &key.record.id;
    store.ingest(&[event(&key, 1, 99)], NOON).await.unwrap();
    assert!(!store.key(id).await.unwrap().over_budget);
    store.ingest(&[event(&key, 2, 1)], NOON).await.unwrap();
    let spent = store.key(id).await.unwrap();
    assert!(spent.over_budget && spent.version > key.version);
    assert_eq!(store.refresh_budgets(later(60)).await.unwrap(), 0);
    let tomorrow = Millis(NOON.0 + DAY_MS);
    assert_eq!(store.refresh_budgets(tomorrow).await.unwrap(), 1);
    assert!(!store.key(id).await.unwrap().over_budget);
    let mut more = event(&key, 3, 50);
    more.event.started_unix_ms = tomorrow.0 as u64;
    store.ingest(&[more], tomorrow).await.unwrap();
    assert!(
        store.key(id).await.unwrap().over_budget,
        "the month is spent"
    );
    // 2026-12-01
    let next_month = Millis(NOON.0 + 8 * DAY_MS);
    assert_eq!(store.refresh_budgets(next_month).await.unwrap(), 1);
    let patch = KeyPatch {
        budgets: Some(Budgets {
            day_nano_usd: Some(0),
            month_nano_usd: None,
        }),
        ..KeyPatch::default()
    };
    assert!(
        store
            .update_key(id, patch, &by(next_month))
            .await
            .unwrap()
            .over_budget
    );
}

async fn closing_old_days_keeps_every_sum(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let events: Vec<_> = (0..20u64)
        .map(|n| {
            let mut priced = event(&key, n, 11);
            priced.event.started_unix_ms = (NOON.0 - DAY_MS * i64::try_from(n).unwrap()) as u64;
            priced
        })
        .collect();
    store.ingest(&events, NOON).await.unwrap();
    let sums = |by| UsageQuery {
        by,
        ..UsageQuery::default()
    };
    let before = (
        store.usage(&sums(GroupBy::Day)).await.unwrap(),
        books(store.as_ref(), "acme").await,
    );
    assert_eq!(before.0.len(), 20);
    assert_eq!(store.close_days_before(NOON.day() - 9).await.unwrap(), 10);
    let after = (
        store.usage(&sums(GroupBy::Day)).await.unwrap(),
        books(store.as_ref(), "acme").await,
    );
    assert_eq!(before, after);
    let replayed = store.ingest(&events, NOON).await.unwrap();
    assert_eq!(
        (replayed.accepted, replayed.duplicate, replayed.too_old),
        (0, 10, 10)
    );
    assert_eq!(
        store.close_days_before(NOON.day() - 15).await.unwrap(),
        0,
        "a closed day stays closed"
    );
    assert_eq!(store.ingest(&events, NOON).await.unwrap().too_old, 10);
}

async fn usage_is_grouped_and_refusals_are_counted_by_reason(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let mut events: Vec<_> = (0..6).map(|n| event(&key, n, 10)).collect();
    for (at, decision) in [
        (3, "rate_limit_requests"),
        (4, "rate_limit_requests"),
        (5, "model_not_found"),
    ] {
        events[at].event.decision = Label::clip(decision);
        events[at].event.usage = Usage::Exact(Tokens::default());
        events[at].cost = 0;
    }
    store.ingest(&events, NOON).await.unwrap();
    for (by, name) in [
        (GroupBy::Key, key.record.id.as_str()),
        (GroupBy::Team, "acme"),
        (GroupBy::Model, "gpt-4o"),
        (GroupBy::Day, "2026-11-23"),
    ] {
        let rows = store
            .usage(&UsageQuery {
                by,
                ..UsageQuery::default()
            })
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (&*row.group, row.requests, row.cost_nano_usd),
            (name, 6, 30)
        );
        assert_eq!((row.input_tokens, row.output_tokens), (30, 15));
        assert_eq!(row.last_used_at, Some(NOON));
        let refusals: Vec<_> = row.refusals.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(
            refusals,
            [("model_not_found", 1), ("rate_limit_requests", 2)]
        );
    }
    let other_day = UsageQuery {
        from_day: Some(NOON.day() + 1),
        ..UsageQuery::default()
    };
    assert!(store.usage(&other_day).await.unwrap().is_empty());
}

async fn tokens_work_until_they_are_revoked(stand: &Stand) {
    let store = &stand.store;
    let new = NewAdminToken {
        id: "tok_1".into(),
        name: "ops".into(),
        digest: [7; 32],
        role: Role::Reader,
        team: None,
    };
    let made = store.create_token(new.clone(), &by(NOON)).await.unwrap();
    assert_eq!(store.token(&[7; 32]).await.unwrap(), Some(made.clone()));
    let again = NewAdminToken {
        id: "tok_2".into(),
        ..new
    };
    assert_eq!(
        store.create_token(again, &by(NOON)).await.unwrap(),
        made,
        "a token is stored once"
    );
    assert_eq!(store.token(&[8; 32]).await.unwrap(), None);
    store.revoke_token("tok_1", &by(NOON)).await.unwrap();
    assert_eq!(store.token(&[7; 32]).await.unwrap(), None);
    assert_eq!(store.tokens().await.unwrap().len(), 1);
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
    let after = store.new_epoch("restored", &by(NOON)).await.unwrap();
    assert_ne!(before.epoch, after.epoch);
    assert!(after.version > before.version);
    store.report("envoy-1", after, NOON).await.unwrap();
    store.report("envoy-1", after, later(5)).await.unwrap();
    let seen = store.proxies(NOON).await.unwrap();
    assert_eq!(
        seen,
        [Proxy {
            id: "envoy-1".into(),
            applied: after,
            seen_at: later(5)
        }]
    );
    assert!(store.proxies(later(6)).await.unwrap().is_empty());
}

async fn members_are_added_changed_and_removed(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let member = |role| NewMember {
        email: "a@example.com".into(),
        role,
    };
    store
        .put_member(&team("acme"), member(MemberRole::Member), &by(NOON))
        .await
        .unwrap();
    store
        .put_member(&team("acme"), member(MemberRole::Owner), &by(later(1)))
        .await
        .unwrap();
    let members = store.members(&team("acme")).await.unwrap();
    assert_eq!(
        (members.len(), members[0].role, members[0].added_at),
        (1, MemberRole::Owner, NOON)
    );
    store
        .remove_member(&team("acme"), "a@example.com", &by(NOON))
        .await
        .unwrap();
    assert!(
        store
            .remove_member(&team("acme"), "a@example.com", &by(NOON))
            .await
            .is_err()
    );
    assert!(
        store
            .put_member(&team("nobody"), member(MemberRole::Owner), &by(NOON))
            .await
            .is_err()
    );
}
