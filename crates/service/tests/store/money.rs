//! Usage, credit and budgets.

use gmtech_core::sync::events::Label;
use gmtech_core::usage::{TokenKind, Tokens, Usage};
use gmtech_service::clock::{DAY_MINUTES, DAY_MS, Millis};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    an_event_is_charged_once,
    fifty_writers_leave_the_balance_at_the_sum_of_the_ledger,
    the_ledger_and_the_audit_log_cannot_be_changed,
    credit_runs_out_and_comes_back,
    a_spent_budget_opens_again_the_next_day,
    usage_is_grouped_and_refusals_are_counted_by_reason,
    each_batch_of_a_transaction_has_its_own_answer,
    a_sum_of_refusals_counts_each_refusal,
    many_keys_and_teams_are_booked_like_few,
);

/// The sums that must be equal: balance, ledger rows, and top-ups less daily costs.
pub(crate) async fn books(store: &Store, id: &str) -> (i64, i64, i64) {
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
        only: [(Dimension::Team, id.to_owned())].into(),
        ..UsageQuery::default()
    };
    let costs: i64 = store
        .usage(&query)
        .await
        .unwrap()
        .items
        .iter()
        .map(|u| u.cost_nano_usd)
        .sum();
    (balance, ledger, top_ups - costs)
}

async fn resolve_digest(store: &Store, key: &KeyInfo) -> gmtech_core::key::KeyDigest {
    let changes = store.changes(0, 100).await.unwrap();
    let found = changes
        .keys
        .iter()
        .find(|k| k.state.as_ref().unwrap().record.readable().unwrap().id == key.record.id);
    found.unwrap().digest
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
    let mut raw = stand.url.connect().await;
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
    // A team without prepaid credit is billed afterwards, and its credit is never exhausted.
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

async fn a_spent_budget_opens_again_the_next_day(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let budgets = Budgets {
        day_nano_usd: Some(100),
        month_nano_usd: Some(150),
        ..Budgets::default()
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
    assert_eq!(
        store
            .judge_budgets(Budgeted::Spent, later(60))
            .await
            .unwrap(),
        0
    );
    let tomorrow = Millis(NOON.0 + DAY_MS);
    assert_eq!(
        store
            .judge_budgets(Budgeted::Spent, tomorrow)
            .await
            .unwrap(),
        1
    );
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
    assert_eq!(
        store
            .judge_budgets(Budgeted::Spent, next_month)
            .await
            .unwrap(),
        1
    );
    let patch = KeyPatch {
        budgets: Some(Budgets {
            day_nano_usd: Some(0),
            ..Budgets::default()
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

async fn usage_is_grouped_and_refusals_are_counted_by_reason(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let mut events: Vec<_> = (0..8).map(|n| event(&key, n, 10)).collect();
    for (at, decision) in [
        (3, "rate_limit_requests"),
        (4, "rate_limit_requests"),
        (5, "model_not_found"),
        // Neither of these is a refusal.
        (6, "limits"),
        (7, "incomplete"),
    ] {
        events[at].event.decision = Label::clip(decision).into();
        events[at].event.usage = Usage::Exact(Tokens::default());
        events[at].cost = 0;
    }
    store.ingest(&events, NOON).await.unwrap();
    for (by, every, name) in [
        (vec![Dimension::Key], None, key.record.id.as_str()),
        (vec![Dimension::Team], None, "acme"),
        (vec![Dimension::Model], None, "gpt-4o"),
        (vec![], Some(Every::Day), "2026-11-23"),
        (vec![], Some(Every::Month), "2026-11"),
        (vec![], None, ""),
    ] {
        let rows = store
            .usage(&UsageQuery {
                by,
                every,
                ..UsageQuery::default()
            })
            .await
            .unwrap()
            .items;
        assert_eq!(rows.len(), 1);
        let row = &rows[0];
        assert_eq!(
            (&*row.group, row.requests, row.cost_nano_usd),
            (name, 8, 30)
        );
        assert_eq!(
            (
                row.tokens.get(TokenKind::Input),
                row.tokens.get(TokenKind::Output)
            ),
            (30, 15)
        );
        assert_eq!(row.last_used_at, Some(NOON));
        let refusals: Vec<_> = row.refusals.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(
            refusals,
            [("model_not_found", 1), ("rate_limit_requests", 2)]
        );
    }
    let other_day = UsageQuery {
        from: Some((NOON.day() + 1) * DAY_MINUTES),
        ..UsageQuery::default()
    };
    assert!(store.usage(&other_day).await.unwrap().items.is_empty());
}

async fn each_batch_of_a_transaction_has_its_own_answer(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store.ingest(&[event(&key, 1, 10)], NOON).await.unwrap();
    let mut unknown = event(&key, 4, 10);
    unknown.event.key = secret().id;
    let batches = [
        // One event that is known, one that is new, and one that is new in this batch and in the next one.
        vec![event(&key, 1, 10), event(&key, 2, 10), event(&key, 3, 10)].into(),
        vec![event(&key, 3, 10), unknown].into(),
        Batch::default(),
    ];
    let done = store.ingest_all(&batches, NOON).await.unwrap();
    let counts = |d: &Ingested| (d.accepted, d.duplicate, d.unknown_key);
    assert_eq!(
        done.iter().map(counts).collect::<Vec<_>>(),
        [(2, 1, 0), (0, 1, 1), (0, 0, 0)]
    );
    assert_eq!(books(store.as_ref(), "acme").await, (-30, -30, -30));
}

async fn a_sum_of_refusals_counts_each_refusal(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let mut sum = event(&key, 1, 0);
    sum.event.decision = Label::clip("key_revoked").into();
    sum.event.usage = Usage::Exact(Tokens::default());
    (sum.event.model, sum.event.endpoint) = (None, Label::clip(""));
    sum.event.requests = 40_000;
    for _ in 0..2 {
        store
            .ingest(&[sum.clone(), event(&key, 2, 10)], NOON)
            .await
            .unwrap();
    }
    let rows = store.usage(&UsageQuery::default()).await.unwrap().items;
    assert_eq!((rows[0].requests, rows[0].not_exact), (40_001, 0));
    assert_eq!(rows[0].refusals["key_revoked"], 40_000);
    let ledger = store.ledger(&team("acme"), &page(10, None)).await.unwrap();
    let charges: Vec<_> = ledger
        .items
        .iter()
        .map(|r| (r.amount_nano_usd, r.events))
        .collect();
    assert_eq!(charges, [(-10, 1)], "refusals are no part of a charge");
}

/// More keys and teams than one statement can hold.
async fn many_keys_and_teams_are_booked_like_few(stand: &Stand) {
    let store = &stand.store;
    let mut keys = Vec::new();
    for n in 0..150 {
        let id = format!("team-{n}");
        let prepaid = n % 2 == 0;
        let new = NewTeam {
            prepaid,
            ..new_team(&id)
        };
        store.create_team(new, &by(NOON)).await.unwrap();
        let budgets = Budgets {
            day_nano_usd: (n % 3 == 0).then_some(20),
            ..Budgets::default()
        };
        let new = NewKey {
            budgets,
            ..new_key_of(&id)
        };
        keys.push(store.create_key(new, None, &by(NOON)).await.unwrap().key);
    }
    let top_up = NewCredit {
        amount: 25,
        note: String::new(),
        once: None,
    };
    store
        .credit(&team("team-0"), top_up, &by(NOON))
        .await
        .unwrap();
    let events: Vec<_> = (0..450u64)
        .map(|n| event(&keys[n as usize % 150], n, 10))
        .collect();
    let (first, second) = events.split_at(300);
    let done = store
        .ingest_all(&[first.to_vec().into()], NOON)
        .await
        .unwrap();
    assert_eq!(done[0].accepted, 300);
    assert!(
        !store.team(&team("team-0")).await.unwrap().exhausted,
        "20 of 25 are spent"
    );
    let done = store
        .ingest_all(&[second.to_vec().into(), first.to_vec().into()], later(1))
        .await
        .unwrap();
    assert_eq!((done[0].accepted, done[1].duplicate), (150, 300));
    for (n, key) in keys.iter().enumerate() {
        let id = format!("team-{n}");
        let top_up = if n == 0 { 25 } else { 0 };
        assert_eq!(
            books(store.as_ref(), &id).await,
            (top_up - 30, top_up - 30, top_up - 30)
        );
        assert_eq!(
            store.team(&team(&id)).await.unwrap().exhausted,
            n % 2 == 0,
            "{id}"
        );
        let key = store.key(&key.record.id).await.unwrap();
        assert_eq!(
            (key.over_budget, key.last_used_at),
            (n % 3 == 0, Some(NOON)),
            "{id}"
        );
    }
}
