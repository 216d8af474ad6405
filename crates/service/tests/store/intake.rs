//! The single writer of usage: waiting batches are written together, and a failure is reported to the batches it affects.

use std::sync::Arc;

use gmtech_service::clock::Millis;
use gmtech_service::intake::Intake;
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    waiting_batches_are_written_in_one_transaction,
    a_failure_is_reported_and_the_next_batch_is_written,
);

fn today(key: &KeyInfo, n: u64) -> Priced {
    let mut priced = event(key, n, 10);
    priced.event.started_unix_ms = Millis::now().0 as u64;
    priced
}

async fn balance(stand: &Stand) -> i64 {
    let acme = stand.store.team(&team("acme")).await.unwrap();
    acme.balance_nano_usd
}

async fn ledger_rows(stand: &Stand) -> usize {
    let (team, all) = (team("acme"), page(1_000, None));
    stand.store.ledger(&team, &all).await.unwrap().items.len()
}

async fn waiting_batches_are_written_in_one_transaction(stand: &Stand) {
    let key = with_key(stand).await;
    let intake = Arc::new(Intake::start(stand.store.clone()));
    // The first transaction waits for this one, and the others wait for the first.
    let mut other = stand.url.connect().await;
    for statement in stand.url.begin_writing() {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    let takers: Vec<_> = (0..40u64)
        .map(|n| {
            let (intake, batch) = (intake.clone(), vec![today(&key, n), today(&key, n + 1)]);
            tokio::spawn(async move { intake.take(batch).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    let mut done = Vec::new();
    for taker in takers {
        done.push(taker.await.unwrap());
    }
    let sum = |of: fn(&Ingested) -> u64| done.iter().map(of).sum::<u64>();
    assert_eq!((sum(|d| d.accepted), sum(|d| d.duplicate)), (41, 39));
    let rows = ledger_rows(stand).await;
    assert!(rows < 40, "{rows} transactions for 40 batches");
    assert_eq!(balance(stand).await, -410);
}

async fn a_failure_is_reported_and_the_next_batch_is_written(stand: &Stand) {
    let key = with_key(stand).await;
    let intake = Intake::start(stand.store.clone());
    let mut other = stand.url.connect().await;
    let mut rename = async |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        sqlx::query(&sql).execute(&mut other).await.unwrap();
    };
    intake.take(vec![today(&key, 1)]).await.unwrap();
    rename("usage_daily", "gone").await;
    let (first, second) = tokio::join!(
        intake.take(vec![today(&key, 2)]),
        intake.take(vec![today(&key, 3)])
    );
    for failed in [first, second] {
        assert!(
            matches!(failed, Err(StoreError::Unavailable(_))),
            "{failed:?}"
        );
    }
    rename("gone", "usage_daily").await;
    // The failed batches had no effect.
    for n in [2, 3] {
        let done = intake.take(vec![today(&key, n)]).await.unwrap();
        assert_eq!((done.accepted, done.duplicate), (1, 0));
    }
    assert_eq!(balance(stand).await, -30);
}
