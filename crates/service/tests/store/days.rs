//! Closed days, late events, and the proven time that decides.

use std::collections::BTreeMap;

use gmtech_service::clock::{DAY_MS, Millis};
use gmtech_service::store::*;
use sqlx::Row;

use crate::common::*;
use crate::money::books;

store_tests!(
    closing_old_days_changes_no_sum,
    a_late_event_of_a_closed_day_counts_on_the_day_it_arrives,
    a_million_ids_are_a_few_ranges,
    the_proven_time_moves_only_from_the_expected_value,
    a_budget_that_a_wrong_clock_opened_is_closed_again,
    ids_written_under_a_clock_in_the_past_are_kept,
);

/// A database with the migrations up to the last one without a proven time, in either dialect.
async fn old_database(place: &Location) -> sqlx::AnyConnection {
    let mut raw = place.connect().await;
    let all = match place {
        Location::File(_) => sqlx::migrate!("migrations/sqlite"),
        Location::Server(_) => sqlx::migrate!("migrations/postgres"),
    };
    let old: Vec<_> = all
        .migrations
        .iter()
        .filter(|m| m.version <= 4)
        .cloned()
        .collect();
    let old = sqlx::migrate::Migrator {
        migrations: old.into(),
        ..all
    };
    old.run_direct(&mut raw).await.unwrap();
    raw
}

async fn a_database_whose_days_a_wrong_clock_has_closed_is_put_right(place: &Location) {
    let mut raw = old_database(place).await;
    let (today, tomorrow) = (Millis::now().day(), Millis::now().day() + 1);
    for statement in [
        "INSERT INTO meta (id, epoch, version, closed_before_day) VALUES (1, 7, 3, 30000)",
        "INSERT INTO audit (at, actor, action, subject, detail) VALUES (1795435200000, 'a', 'b', 'c', '{}')",
    ] {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    let store = std::sync::Arc::new(place.open().await);
    assert_eq!(
        store.proven().await.unwrap(),
        Some(NOON),
        "the latest that it knows of"
    );
    let stand = Stand::over(store, place.clone());
    let key = with_key(&stand).await;
    let on_day = |n: u64, day: i64| {
        let mut priced = event(&key, n, 1);
        priced.event.started_unix_ms = u64::try_from(day * DAY_MS).unwrap();
        priced
    };
    // Whether events dropped before ids were kept were counted is unknown; for today's events it is known.
    for (n, day, expected) in [
        (1, today, (1, 0, 0)),
        (2, tomorrow, (1, 0, 0)),
        (3, today - 1, (0, 0, 1)),
    ] {
        let done = stand
            .store
            .ingest(&[on_day(n, day)], Millis::now())
            .await
            .unwrap();
        assert_eq!(counts(done), expected, "{n}");
    }
}

mod a_database_of_an_older_version {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        let dir = tempfile::tempdir().unwrap();
        let place = Location::File(dir.path().join("gmtech.db"));
        std::fs::File::create(dir.path().join("gmtech.db")).unwrap();
        a_database_whose_days_a_wrong_clock_has_closed_is_put_right(&place).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        match empty_postgres().await {
            Some(place) => {
                a_database_whose_days_a_wrong_clock_has_closed_is_put_right(&place).await
            }
            None => eprintln!("skipped: GMTECH_TEST_POSTGRES_URL is not set"),
        }
    }
}

/// Each day's cost.
async fn by_day(store: &Store) -> BTreeMap<String, i64> {
    let query = UsageQuery {
        by: vec![],
        every: Some(Every::Day),
        ..UsageQuery::default()
    };
    let rows = store.usage(&query).await.unwrap().items;
    rows.into_iter()
        .map(|row| (row.group, row.cost_nano_usd))
        .collect()
}

fn on(day: i64, mut priced: Priced) -> Priced {
    priced.event.started_unix_ms = u64::try_from(NOON.0 + day * DAY_MS).unwrap();
    priced
}

fn counts(done: Ingested) -> (u64, u64, u64) {
    (done.accepted, done.late, done.duplicate)
}

async fn closing_old_days_changes_no_sum(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    let events: Vec<_> = (0..20).map(|n| on(-n, event(&key, n as u64, 11))).collect();
    store.ingest(&events, NOON).await.unwrap();
    let before = (
        by_day(store.as_ref()).await,
        books(store.as_ref(), "acme").await,
    );
    assert_eq!(before.0.len(), 20);
    assert_eq!(store.close_days_before(NOON.day() - 9).await.unwrap(), 10);
    assert_eq!(
        store.close_days_before(NOON.day() - 15).await.unwrap(),
        0,
        "a closed day stays closed"
    );
    for now in [NOON, later(400 * 86_400)] {
        let replayed = store.ingest(&events, now).await.unwrap();
        assert_eq!(counts(replayed), (0, 0, 20), "known for ever");
    }
    let after = (
        by_day(store.as_ref()).await,
        books(store.as_ref(), "acme").await,
    );
    assert_eq!(before, after);
}

async fn a_late_event_of_a_closed_day_counts_on_the_day_it_arrives(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    store
        .ingest(&[on(-20, event(&key, 1, 10)), event(&key, 2, 20)], NOON)
        .await
        .unwrap();
    store.close_days_before(NOON.day() - 9).await.unwrap();
    let mut before_all = event(&key, 5, 160);
    before_all.event.started_unix_ms = 0;
    let mut to_come = event(&key, 6, 320);
    to_come.event.started_unix_ms = u64::MAX;
    let late = [
        on(-20, event(&key, 1, 10)),
        on(-20, event(&key, 3, 40)),
        on(-9, event(&key, 4, 80)),
        before_all,
        to_come,
    ];
    let done = store.ingest(&late, later(60)).await.unwrap();
    assert_eq!(counts(done), (4, 2, 1));
    assert_eq!(done.cost_nano_usd, 40 + 80 + 160 + 320);
    let days = [
        ("2026-11-03", 10),
        ("2026-11-14", 80),
        ("2026-11-23", 20 + 40 + 160),
        ("2026-11-24", 320),
    ];
    assert_eq!(
        by_day(store.as_ref()).await,
        days.map(|(day, cost)| (day.to_owned(), cost)).into()
    );
    assert_eq!(
        counts(store.ingest(&late, later(120)).await.unwrap()),
        (0, 0, 5)
    );
    let mut raw = stand.url.connect().await;
    let row = sqlx::query("SELECT day, started_at FROM events WHERE cost = 40")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    let (day, started): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(
        (day, started),
        (NOON.day(), NOON.0 - 20 * DAY_MS),
        "its row says when it was"
    );
}

async fn a_million_ids_are_a_few_ranges(stand: &Stand) {
    let (store, key) = (&stand.store, with_key(stand).await);
    // Two alternating workers; one has used a thousandth of its numbers for refusals.
    let id = |worker: u8, count: u64| {
        let mut id = [worker; 16];
        id[8..].copy_from_slice(&count.to_be_bytes());
        id
    };
    let with = |id: [u8; 16]| {
        let mut priced = on(-20, event(&key, 0, 1));
        priced.event.id = id;
        priced
    };
    let gap = |count: u64| count % 1_000 == 7;
    let events: Vec<_> = (0..3_000)
        .flat_map(|n| {
            [
                Some(id(0xff, n)),
                (!gap(n)).then(|| id(1, n + (1 << 63) - 1_500)),
            ]
        })
        .flatten()
        .map(with)
        .collect();
    for part in events.chunks(1_000) {
        store.ingest(part, NOON).await.unwrap();
    }
    let dropped = store.close_days_before(NOON.day()).await.unwrap();
    assert_eq!(dropped, events.len() as u64);
    let mut raw = stand.url.connect().await;
    let rows: i64 = sqlx::query("SELECT COUNT(*) FROM counted")
        .fetch_one(&mut raw)
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        rows,
        1 + 4,
        "one for the first, one more for each gap of the second"
    );
    let done = store.ingest(&events, NOON).await.unwrap();
    assert_eq!(counts(done), (0, 0, events.len() as u64));
    let gaps: Vec<_> = (0..3_000)
        .filter(|n| gap(*n))
        .map(|n| with(id(1, n + (1 << 63) - 1_500)))
        .collect();
    assert_eq!(counts(store.ingest(&gaps, NOON).await.unwrap()), (3, 3, 0));
    store.close_days_before(NOON.day() + 1).await.unwrap();
    let rows: i64 = sqlx::query("SELECT COUNT(*) FROM counted")
        .fetch_one(&mut raw)
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 2, "what fills a gap joins its neighbours");
}

async fn the_proven_time_moves_only_from_the_expected_value(stand: &Stand) {
    let (store, other) = (&stand.store, stand.url.open().await);
    assert_eq!(store.proven().await.unwrap(), None);
    assert!(store.prove(None, NOON).await.unwrap());
    assert!(!other.prove(None, later(9)).await.unwrap());
    assert!(other.prove(Some(NOON), later(9)).await.unwrap());
    assert!(!store.prove(Some(NOON), later(5)).await.unwrap());
    assert_eq!(store.proven().await.unwrap(), Some(later(9)));
}

async fn a_budget_that_a_wrong_clock_opened_is_closed_again(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    let budgets = Budgets {
        day_nano_usd: Some(100),
        ..Budgets::default()
    };
    let new = NewKey {
        budgets,
        ..new_key_of("acme")
    };
    let key = store.create_key(new, None, &by(NOON)).await.unwrap().key;
    store.ingest(&[event(&key, 1, 100)], NOON).await.unwrap();
    let tomorrow = later(86_400);
    assert_eq!(
        store
            .judge_budgets(Budgeted::Spent, tomorrow)
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.judge_budgets(Budgeted::Spent, NOON).await.unwrap(), 0);
    assert_eq!(store.judge_budgets(Budgeted::All, NOON).await.unwrap(), 1);
    assert!(store.key(&key.record.id).await.unwrap().over_budget);
}

async fn ids_written_under_a_clock_in_the_past_are_kept(stand: &Stand) {
    let store = &stand.store;
    store
        .create_team(new_team("acme"), &by(NOON))
        .await
        .unwrap();
    store.prove(None, NOON).await.unwrap();
    let once = Once {
        token: "t".into(),
        request: [0; 32],
    };
    let past = by(Millis(0));
    let create = || store.create_key(new_key_of("acme"), Some(once.clone()), &past);
    let id = create().await.unwrap().key.record.id;
    store.forget(Millis(NOON.0 - DAY_MS)).await.unwrap();
    let again = create().await.unwrap();
    assert_eq!((again.key.record.id, again.replayed), (id, true));
}
