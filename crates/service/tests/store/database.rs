//! Backup, copy, check and restore of a database.

use gmtech_core::objects::{Kind, ObjectId, ObjectNote};
use gmtech_service::config::Database;
use gmtech_service::db::{DbError, backup, check, copy, restore};
use gmtech_service::store::*;

use crate::common::*;

store_tests!(
    a_backup_is_a_snapshot_of_one_moment,
    a_copy_to_the_other_kind_and_back_keeps_every_row,
    a_check_names_each_problem,
    a_backup_replaces_the_database,
);

impl Location {
    fn database(&self) -> Database {
        match self {
            Self::File(path) => Database::Sqlite(path.clone()),
            Self::Server(url) => Database::Postgres(url.clone()),
        }
    }
}

/// Fills every table, and makes sums of every kind.
async fn fill(stand: &Stand) -> KeyInfo {
    let (store, key) = (&stand.store, with_key(stand).await);
    let once = Once {
        token: "t".into(),
        request: [7; 32],
    };
    store
        .create_key(new_key_of("acme"), Some(once), &by(NOON))
        .await
        .unwrap();
    let member = NewMember {
        email: "a@example.com".into(),
        role: MemberRole::Owner,
    };
    store
        .put_member(&team("acme"), member, &by(NOON))
        .await
        .unwrap();
    let credit = NewCredit {
        amount: 1_000,
        note: "ä \u{1f511}".into(),
        once: None,
    };
    store
        .credit(&team("acme"), credit, &by(NOON))
        .await
        .unwrap();
    let mut old = event(&key, 1, 10);
    old.event.started_unix_ms -= 20 * 86_400_000;
    let mut made = event(&key, 2, 20);
    made.event.object = Some(ObjectNote::Made {
        id: ObjectId::of(b"resp_1"),
        kind: Kind::Response,
        work: None,
        settled: false,
    });
    let events: Vec<_> = (10..400)
        .map(|n| event(&key, n, 1))
        .chain([old, made])
        .collect();
    store.ingest(&events, NOON).await.unwrap();
    store.close_days_before(NOON.day() - 9).await.unwrap();
    store
        .report(
            "envoy-1",
            store.head().await.unwrap(),
            &ProxyTold::default(),
            NOON,
        )
        .await
        .unwrap();
    key
}

/// Everything that can be read from a store.
async fn seen(store: &Store) -> String {
    let all = page(500, None);
    let keys = store.keys(&KeyFilter::default(), &all).await.unwrap().items;
    let teams = store.teams(None, &all).await.unwrap().items;
    let ledger = store.ledger(&team("acme"), &all).await.unwrap().items;
    let audit = store
        .audit(&AuditFilter::default(), &all)
        .await
        .unwrap()
        .items;
    let members = store.members(&team("acme")).await.unwrap();
    let usage = store.usage(&UsageQuery::default()).await.unwrap();
    let head = store.head().await.unwrap();
    format!("{keys:?} {teams:?} {ledger:?} {audit:?} {members:?} {usage:?} {head:?}")
}

async fn a_backup_is_a_snapshot_of_one_moment(stand: &Stand) {
    let key = fill(stand).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup.db");
    // Others keep writing.
    let (store, writes) = (stand.store.clone(), event(&key, 0, 1));
    let writer = tokio::spawn(async move {
        for n in 1_000..1_200u64 {
            let mut one = writes.clone();
            one.event.id[..8].copy_from_slice(&n.to_be_bytes());
            store.ingest(&[one], NOON).await.unwrap();
        }
    });
    let done = backup(&stand.url.database(), &file).await.unwrap();
    writer.await.unwrap();
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(names, ["backup.db"], "nothing beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read it");
    }
    let found = check(&Database::Sqlite(file.clone())).await.unwrap();
    assert_eq!(found.problems, [""; 0]);
    assert_eq!((found.keys, found.teams, found.events), (2, 1, done.events));
    let again = backup(&stand.url.database(), &file).await;
    assert!(matches!(again, Err(DbError::Refused(_))), "{again:?}");
}

async fn a_copy_to_the_other_kind_and_back_keeps_every_row(stand: &Stand) {
    fill(stand).await;
    let before = seen(&stand.store).await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| Location::File(dir.path().join(name));
    let mut stations = vec![stand.url.clone(), file("one.db")];
    stations.extend(empty_postgres().await);
    stations.push(file("two.db"));
    for legs in stations.windows(2) {
        let copied = copy(&legs[0].database(), &legs[1].database())
            .await
            .unwrap();
        let rows = |table: &str| {
            copied
                .rows
                .iter()
                .find(|(name, _)| name == table)
                .unwrap()
                .1
        };
        for table in [
            "meta",
            "objects",
            "counted",
            "idempotency",
            "proxies",
            "members",
        ] {
            assert_eq!(rows(table), 1, "{table}");
        }
        assert_eq!(rows("events"), 391);
        let again = copy(&legs[0].database(), &legs[1].database()).await;
        assert!(
            matches!(&again, Err(DbError::Refused(why)) if why.contains("name an empty database")),
            "{again:?}"
        );
    }
    for station in &stations {
        let store = station.open().await;
        assert_eq!(seen(&store).await, before);
        assert_eq!(check(&station.database()).await.unwrap().problems, [""; 0]);
        // Its sequences continue where they were.
        store
            .create_key(new_key_of("acme"), None, &by(NOON))
            .await
            .unwrap();
        let audit = store
            .audit(&AuditFilter::default(), &page(2, None))
            .await
            .unwrap()
            .items;
        assert_eq!(audit[0].seq, audit[1].seq + 1);
    }
}

async fn a_check_names_each_problem(stand: &Stand) {
    let key = fill(stand).await;
    // A key without objects: its daily sums are those of its events.
    let other = stand
        .store
        .create_key(new_key_of("acme"), None, &by(NOON))
        .await
        .unwrap()
        .key;
    let today = |n| {
        let mut priced = event(&other, n, 5);
        let now = gmtech_service::clock::Millis::now();
        priced.event.started_unix_ms = u64::try_from(now.0).unwrap();
        priced
    };
    let now = gmtech_service::clock::Millis::now();
    stand
        .store
        .ingest(&[today(700), today(701)], now)
        .await
        .unwrap();
    let found = check(&stand.url.database()).await.unwrap();
    assert_eq!(found.problems, [""; 0]);
    let mut raw = stand.url.connect().await;
    let (key, other) = (key.record.id.as_str(), other.record.id.as_str());
    let day = gmtech_service::clock::day_name(now.day());
    for (wrong, right, expected) in [
        (
            "UPDATE teams SET balance = balance + 5".to_owned(),
            "UPDATE teams SET balance = balance - 5".to_owned(),
            vec!["the balance of acme is".to_owned()],
        ),
        (
            "UPDATE teams SET exhausted = 1".into(),
            "UPDATE teams SET exhausted = 0".into(),
            vec!["the credit of acme".into()],
        ),
        (
            format!("UPDATE usage_daily SET cost = cost + 1 WHERE key_id = '{other}'"),
            format!("UPDATE usage_daily SET cost = cost - 1 WHERE key_id = '{other}'"),
            vec![
                format!("the usage of {other} costs 11, and its ledger says -10"),
                format!("the sums of {other} on {day}"),
                format!("the sums of the team acme on {day} are not those of its keys"),
                format!("the sums of {other} on {day} are not those of its models"),
            ],
        ),
        (
            format!("UPDATE usage_daily SET cost = cost + 1 WHERE key_id = '{key}' AND cost = 10"),
            format!("UPDATE usage_daily SET cost = cost - 1 WHERE key_id = '{key}' AND cost = 11"),
            vec![
                format!("the usage of {key} costs"),
                "the sums of the team acme on".into(),
                format!("the sums of {key} on"),
            ],
        ),
        (
            format!("UPDATE usage_key_daily SET total = total + 1 WHERE key_id = '{other}'"),
            format!("UPDATE usage_key_daily SET total = total - 1 WHERE key_id = '{other}'"),
            vec![format!(
                "the sums of {other} on {day} are not those of its models"
            )],
        ),
        (
            format!(
                "UPDATE usage_team_daily SET total = total + 1 WHERE day = {}",
                now.day()
            ),
            format!(
                "UPDATE usage_team_daily SET total = total - 1 WHERE day = {}",
                now.day()
            ),
            vec![format!("the sums of the team acme on {day}")],
        ),
        (
            format!("UPDATE events SET total = total + 1 WHERE key_id = '{other}'"),
            format!("UPDATE events SET total = total - 1 WHERE key_id = '{other}'"),
            vec![format!("the sums of {other} on {day}")],
        ),
    ] {
        sqlx::query(&wrong).execute(&mut raw).await.unwrap();
        let found = check(&stand.url.database()).await.unwrap().problems;
        sqlx::query(&right).execute(&mut raw).await.unwrap();
        assert_eq!(found.len(), expected.len(), "{wrong}: {found:?}");
        for (is, starts) in found.iter().zip(&expected) {
            assert!(is.starts_with(starts.as_str()), "{is}");
        }
    }
    assert_eq!(
        check(&stand.url.database()).await.unwrap().problems,
        [""; 0]
    );
}

async fn a_backup_replaces_the_database(stand: &Stand) {
    let key = fill(stand).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup.db");
    backup(&stand.url.database(), &file).await.unwrap();
    let before = stand.store.head().await.unwrap();
    stand
        .store
        .ingest(&[event(&key, 900, 5)], NOON)
        .await
        .unwrap();

    // A file that is damaged, of another kind, or newer replaces nothing.
    let whole = std::fs::read(&file).unwrap();
    let target = match &stand.url {
        Location::File(path) => Database::Sqlite(path.clone()),
        Location::Server(_) => empty_postgres().await.unwrap().database(),
    };
    let bad = dir.path().join("bad.db");
    let mut scratched = whole.clone();
    scratched[8192..20_000].fill(0x55);
    for (name, bytes) in [
        ("cut", &whole[..whole.len() / 2]),
        ("scratched", &scratched),
        ("text", b"not a database at all, whatever its name says"),
        ("nothing", b""),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let refused = restore(&target, &bad, None).await;
        assert!(
            matches!(refused, Err(DbError::Damaged(_))),
            "{name}: {refused:?}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");

    stand.store.close().await.unwrap();
    let done = restore(&target, &file, None).await.unwrap();
    assert!(
        !done.all && done.lost.is_empty(),
        "without a journal nobody knows"
    );
    let store = match &target {
        Database::Sqlite(path) => Store::sqlite(path).await.unwrap(),
        Database::Postgres(url) => Store::postgres(url).await.unwrap(),
    };
    let after = store.head().await.unwrap();
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.version, done.version);
    assert_eq!(check(&target).await.unwrap().problems, [""; 0]);
    assert_eq!(
        store
            .ingest(&[event(&key, 900, 5)], NOON)
            .await
            .unwrap()
            .accepted,
        1
    );
    if let Some(replaced) = done.replaced {
        let old = Store::sqlite(&replaced).await.unwrap();
        assert_eq!(old.head().await.unwrap().epoch, before.epoch);
        assert_eq!(
            old.ingest(&[event(&key, 900, 5)], NOON)
                .await
                .unwrap()
                .duplicate,
            1,
            "whole, with its log"
        );
    }
}
