//! Implausible numbers: each fails alone, and no sum overflows its column.

use gmtech_core::usage::{TokenKind, Tokens, Usage};
use gmtech_service::clock::DAY_MS;
use gmtech_service::money::{MAX_AMOUNT, MAX_BALANCE};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_number_in_one_event_does_not_stop_later_events,
    no_balance_overflows,
    an_import_is_audited_with_its_result,
);

/// Tokens with every count set to this number.
fn each_kind(count: u64) -> Tokens {
    let none = Tokens::default().with_total(count);
    let kinds = TokenKind::ALL.into_iter();
    kinds.fold(none, |tokens, kind| tokens.with(kind, count))
}

/// An event that starts `n` days before NOON, with every token count set to `tokens`.
fn huge(key: &KeyInfo, n: u64, tokens: u64, cost: i64) -> Priced {
    let mut priced = event(key, n, cost);
    priced.event.started_unix_ms -= n * DAY_MS as u64;
    priced.event.usage = Usage::Estimated(each_kind(tokens));
    priced.event.requests = u32::MAX;
    priced.event.duration_ms = u32::MAX;
    priced
}

async fn a_number_in_one_event_does_not_stop_later_events(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    // On different days, so that a query must add them, and some on one day, so that booking must.
    let events: Vec<_> = [0, 1, 2, 3, 3, 3]
        .iter()
        .enumerate()
        .map(|(n, day)| {
            let mut priced = huge(&key, *day, u64::MAX, i64::MAX);
            priced.event.id = [n as u8 + 100; 16];
            priced
        })
        .collect();
    for one in &events {
        let done = store.ingest(std::slice::from_ref(one), NOON).await.unwrap();
        assert_eq!(done.accepted, 1);
    }
    assert_eq!(
        store
            .ingest(&[event(&key, 50, 10)], NOON)
            .await
            .unwrap()
            .accepted,
        1
    );
    for (by, every) in [
        (vec![Dimension::Key], None),
        (vec![Dimension::Team, Dimension::Model], None),
        (vec![Dimension::Endpoint], Some(Every::Day)),
        (vec![], Some(Every::Month)),
        (vec![], None),
    ] {
        let query = UsageQuery {
            by,
            every,
            ..UsageQuery::default()
        };
        for row in store.usage(&query).await.unwrap().items {
            assert!(
                row.requests > 0 && row.tokens.total() >= 4_000_000_000_000_000_000,
                "{row:?}"
            );
        }
    }
    let balance = store.team(&team("acme")).await.unwrap().balance_nano_usd;
    assert_eq!(balance, -MAX_BALANCE);
    let rows = store
        .ledger(&team("acme"), &page(100, None))
        .await
        .unwrap()
        .items;
    assert_eq!(rows.iter().map(|r| r.amount_nano_usd).sum::<i64>(), balance);
    // The team works again once its balance is corrected.
    let credit = NewCredit {
        amount: MAX_AMOUNT,
        note: String::new(),
        once: None,
    };
    store
        .credit(&team("acme"), credit, &by(NOON))
        .await
        .unwrap();
    store.ingest(&[event(&key, 51, 10)], NOON).await.unwrap();
    let balance = store.team(&team("acme")).await.unwrap().balance_nano_usd;
    assert_eq!(balance, MAX_AMOUNT - MAX_BALANCE - 10);
}

async fn no_balance_overflows(stand: &Stand) {
    let store = &stand.store;
    with_key(stand).await;
    let credit = |amount| NewCredit {
        amount,
        note: String::new(),
        once: None,
    };
    for sign in [1, -1] {
        while let Ok(team) = store
            .credit(&team("acme"), credit(sign * MAX_AMOUNT), &by(NOON))
            .await
        {
            assert!(team.balance_nano_usd.abs() <= MAX_BALANCE);
        }
        let refused = store.credit(&team("acme"), credit(sign), &by(NOON)).await;
        assert!(
            matches!(&refused, Err(StoreError::Conflict(why)) if why.contains("9000000000 dollars")),
            "{refused:?}"
        );
        let balance = store.team(&team("acme")).await.unwrap().balance_nano_usd;
        assert_eq!(balance, sign * MAX_BALANCE);
    }
}

async fn an_import_is_audited_with_its_result(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store.ingest(&[event(&key, 1, 10)], NOON).await.unwrap();
    let import = Import {
        by: by(NOON),
        rest: Ingested {
            malformed: 3,
            summed: 4,
            unattributed: 5,
            ..Ingested::default()
        },
    };
    let batch = Batch {
        events: vec![event(&key, 1, 10), event(&key, 2, 20)],
        import: Some(import),
    };
    let done = store.ingest_all(&[batch], later(60)).await.unwrap()[0];
    assert_eq!(done.lines(), 14);
    let audit = store
        .audit(&AuditFilter::default(), &page(1, None))
        .await
        .unwrap();
    let entry = &audit.items[0];
    assert_eq!((&*entry.actor, &*entry.action), ("tester", "usage.import"));
    let result = &entry.detail["result"];
    let is = |name: &str| result[name].as_i64().unwrap();
    assert_eq!(entry.detail["lines"], 14);
    assert_eq!(
        (
            is("accepted"),
            is("duplicate"),
            is("malformed"),
            is("summed"),
            is("unattributed")
        ),
        (1, 1, 3, 4, 5)
    );
    assert_eq!(is("cost_nano_usd"), 20);
}
