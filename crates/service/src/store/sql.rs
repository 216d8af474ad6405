//! The store on a SQL database: SQLite in one file, or PostgreSQL.
//!
//! The statements are the same on both; only opening, the migrations' dialect and how a writer excludes the
//! others differ. Writers take turns, within the process by a pool of one connection and across processes by
//! a lock (SQLite: `BEGIN IMMEDIATE`; PostgreSQL: a table lock on `meta`). That is what makes versions visible in their
//! order and deadlocks impossible; usage arrives in batches, so turns are few. Readers never wait.
//!
//! # Failure policy
//! A transaction that is not committed has not happened: every early return rolls back. SQLite runs with
//! `synchronous = FULL`, so what was acknowledged survives a loss of power too.

mod booking;
mod bulk;
mod events;
mod keys;
mod objects;
mod rows;
mod sync;
mod teams;
mod usage;

use std::path::Path;
use std::sync::Once as RunOnce;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, Executor, Row, Transaction};
use tokio::sync::watch;

use super::{By, Once, Result, StoreError};
use crate::secret;

type Tx = Transaction<'static, Any>;

const READERS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// Keys, teams, usage and money in a SQL database.
pub struct SqlStore {
    dialect: Dialect,
    writer: AnyPool,
    readers: AnyPool,
    head: watch::Sender<u64>,
}

impl SqlStore {
    /// Opens the SQLite file at `path`; creates and migrates it. The file is readable by its owner only.
    ///
    /// # Errors
    /// Where the file cannot be opened, is no database, or is of a newer program.
    pub async fn sqlite(path: &Path) -> Result<Self> {
        match secret::private_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(sqlx::Error::Io(error).into());
            }
            _ => {}
        }
        let name = path.to_string_lossy();
        let escaped = name
            .replace('%', "%25")
            .replace('?', "%3f")
            .replace('#', "%23");
        Self::open(Dialect::Sqlite, &format!("sqlite://{escaped}?mode=rw")).await
    }

    /// Connects to a PostgreSQL database and migrates it.
    ///
    /// # Errors
    /// Where it cannot be reached, or is of a newer program.
    pub async fn postgres(url: &str) -> Result<Self> {
        Self::open(Dialect::Postgres, url).await
    }

    async fn open(dialect: Dialect, url: &str) -> Result<Self> {
        static DRIVERS: RunOnce = RunOnce::new();
        DRIVERS.call_once(install_default_drivers);
        let pool = |size| {
            AnyPoolOptions::new()
                .max_connections(size)
                .acquire_timeout(PATIENCE)
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if dialect == Dialect::Sqlite {
                            connection
                                .execute(
                                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                                     PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON",
                                )
                                .await?;
                        }
                        Ok(())
                    })
                })
        };
        let writer = pool(1).connect(url).await?;
        let migrator = match dialect {
            Dialect::Sqlite => sqlx::migrate!("migrations/sqlite"),
            Dialect::Postgres => sqlx::migrate!("migrations/postgres"),
        };
        migrator.run(&writer).await.map_err(sqlx::Error::from)?;
        let readers = pool(READERS).connect(url).await?;
        let epoch = new_epoch_number()?;
        sqlx::query(
            "INSERT INTO meta (id, epoch, version) VALUES (1, $1, 0) ON CONFLICT DO NOTHING",
        )
        .bind(epoch)
        .execute(&writer)
        .await?;
        Ok(Self {
            dialect,
            writer,
            readers,
            head: watch::Sender::new(0),
        })
    }

    /// Starts a writing transaction, alone among all writers.
    async fn begin(&self) -> Result<Tx> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?),
            Dialect::Postgres => {
                let mut tx = self.writer.begin().await?;
                sqlx::query("LOCK TABLE meta IN EXCLUSIVE MODE")
                    .execute(&mut *tx)
                    .await?;
                Ok(tx)
            }
        }
    }

    async fn commit(&self, mut tx: Tx) -> Result<()> {
        let head: i64 = sqlx::query("SELECT version FROM meta")
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
        tx.commit().await?;
        let head = unsigned(head)?;
        self.head.send_if_modified(|seen| {
            let newer = head > *seen;
            *seen = head.max(*seen);
            newer
        });
        Ok(())
    }
}

/// Takes the next version.
async fn next_version(tx: &mut Tx) -> Result<i64> {
    let row = sqlx::query("UPDATE meta SET version = version + 1 RETURNING version")
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get(0)?)
}

/// Writes who did what.
async fn note(
    tx: &mut Tx,
    by: &By,
    action: &str,
    subject: &str,
    team: Option<&str>,
    detail: serde_json::Value,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit (at, actor, action, subject, team_id, detail) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(by.now.0)
    .bind(&*by.actor)
    .bind(action)
    .bind(subject)
    .bind(team)
    .bind(detail.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What this actor's earlier call with the same token made, if there was one.
async fn replay(tx: &mut Tx, once: Option<&Once>, by: &By) -> Result<Option<String>> {
    let Some(once) = once else { return Ok(None) };
    let row =
        sqlx::query("SELECT request, result FROM idempotency WHERE actor = $1 AND token = $2")
            .bind(&*by.actor)
            .bind(&*once.token)
            .fetch_optional(&mut **tx)
            .await?;
    let Some(row) = row else { return Ok(None) };
    if row.try_get::<Vec<u8>, _>(0)? != once.request {
        return Err(StoreError::Conflict(
            "this Idempotency-Key was used for another request".into(),
        ));
    }
    Ok(Some(row.try_get(1)?))
}

/// Remembers what a call made.
async fn remember(tx: &mut Tx, once: Option<&Once>, result: &str, by: &By) -> Result<()> {
    let Some(once) = once else { return Ok(()) };
    sqlx::query(
        "INSERT INTO idempotency (actor, token, request, result, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&*by.actor)
    .bind(&*once.token)
    .bind(once.request.to_vec())
    .bind(result)
    .bind(by.now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A number that no earlier history of versions has had: 62 random bits, never 0.
fn new_epoch_number() -> Result<i64> {
    let bytes = secret::random().map_err(sqlx::Error::Io)?;
    Ok(i64::from_be_bytes(bytes) >> 2 & (i64::MAX >> 1) | 1)
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("number"))
}

/// A number for the database; what is beyond its range is its largest, which no real number reaches.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether a write failed because the row is there already.
fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
