//! A database that fails: the errors that the store reports, the effects of the failed calls, and recovery.

use std::io::Write;
use std::time::Duration;

use gmtech_core::record::Status;
use gmtech_service::store::*;
use tokio::time::{Instant, timeout};

use crate::common::*;

store_tests!(
    a_write_waits_for_another_programs_lock,
    a_revocation_overtakes_waiting_writers,
    a_writer_that_panics_releases_the_writers_lock,
);

fn kind<T>(result: Result<T>) -> FailureKind {
    match result {
        Err(StoreError::Unavailable(failure)) => failure.kind,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

async fn write(stand: &Stand) -> Result<()> {
    stand.store.prove_write(NOON).await
}

async fn hold(stand: &Stand) -> sqlx::AnyConnection {
    let mut other = stand.url.connect().await;
    for statement in stand.url.begin_writing() {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    other
}

async fn a_write_waits_for_another_programs_lock(stand: &Stand) {
    let mut other = hold(stand).await;
    let waits = timeout(Duration::from_millis(300), write(stand)).await;
    assert!(waits.is_err(), "{waits:?}");
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    timeout(Duration::from_secs(4), write(stand))
        .await
        .expect("the write that was dropped holds nothing")
        .unwrap();
}

async fn a_revocation_overtakes_waiting_writers(stand: &Stand) {
    let key = with_key(stand).await;
    let mut other = hold(stand).await;
    // All but the first wait for it.
    let waiting: Vec<_> = (0..20)
        .map(|n| {
            let store = stand.store.clone();
            tokio::spawn(async move {
                let made = store
                    .create_team(new_team(&format!("t{n}")), &by(NOON))
                    .await;
                made.unwrap().team.version
            })
        })
        .collect();
    // One poll puts them into the queue.
    let first = stand.store.prove_read();
    first.await.unwrap();
    let store = stand.store.clone();
    let revoked = tokio::spawn(async move {
        let id = &key.record.id;
        let revoked = store.set_status(id, Status::Revoked, &by(NOON)).await;
        revoked.unwrap().version
    });
    stand.store.prove_read().await.unwrap();
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    let revoked = revoked.await.unwrap();
    let mut before = 0;
    for one in waiting {
        before += usize::from(one.await.unwrap() < revoked);
    }
    assert!(before <= 2, "{before} writes went before the revocation");
}

async fn a_writer_that_panics_releases_the_writers_lock(stand: &Stand) {
    let key = with_key(stand).await;
    // The caller panics, which unwinds through an open transaction.
    let store = stand.store.clone();
    let panicked = tokio::spawn(async move {
        let me = by(NOON);
        let write = store.set_status(&key.record.id, Status::Suspended, &me);
        let panic = async { panic!("on purpose") };
        tokio::join!(write, panic)
    });
    assert!(panicked.await.is_err());
    timeout(Duration::from_secs(4), write(stand))
        .await
        .expect("the turn is free")
        .unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gmtech.db");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&b"this is no database at all. ".repeat(100))
        .unwrap();
    let started = Instant::now();
    let error = Store::sqlite(&path).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("{} is not a SQLite database", path.display())
    );
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(kind(Store::sqlite(dir.path()).await), FailureKind::Refused);
    let nowhere = dir.path().join("missing/gmtech.db");
    assert_eq!(kind(Store::sqlite(&nowhere).await), FailureKind::Refused);
}

#[tokio::test]
async fn an_unreachable_server_is_reported_at_once_and_without_the_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://gmtech:hunter2@127.0.0.1:{port}/keys");
    let place = format!("PostgreSQL at 127.0.0.1:{port} (database keys)");
    // It accepts connections and never answers.
    let error = Store::postgres(&url).await.err().unwrap();
    assert_eq!(error.to_string(), format!("{place} does not answer"));
    drop(listener);
    let error = Store::postgres(&url).await.err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("cannot reach {place}: ")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_not_changed() {
    let stand = sqlite().await;
    let mut other = stand.url.connect().await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut other).await.unwrap();
    let Location::File(path) = &stand.url else {
        panic!()
    };
    assert_eq!(kind(Store::sqlite(path).await), FailureKind::Newer);
}

/// The server ends every connection, as a restart or a failover does.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_ended_are_replaced() {
    let Some(stand) = postgres().await else {
        return eprintln!("skipped: GMTECH_TEST_POSTGRES_URL is not set");
    };
    let key = with_key(&stand).await;
    let reads = || futures::future::join_all((0..8).map(|_| stand.store.head()));
    reads().await;
    let mut other = stand.url.connect().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(end).execute(&mut other).await.unwrap();
    // A writer detects the broken connection before it has done anything.
    write(&stand).await.unwrap();
    let broken = reads().await.iter().filter(|read| read.is_err()).count();
    assert!(broken <= 8, "{broken}");
    assert!(
        reads().await.iter().all(|read| read.is_ok()),
        "the second time all work"
    );
    let (id, me) = (&key.record.id, by(NOON));
    let revoked = stand.store.set_status(id, Status::Revoked, &me).await;
    assert_eq!(revoked.unwrap().record.status, Status::Revoked);
}
