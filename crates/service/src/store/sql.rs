//! The store on a SQL database: SQLite in one file, or PostgreSQL.
//!
//! The statements are the same on both; only opening, the migrations' dialect and how a writer excludes the
//! others differ. Writers take turns, within the process by [`writer`] and across processes by a lock (SQLite:
//! `BEGIN IMMEDIATE`; PostgreSQL: a table lock on `meta`). That is what makes versions visible in their order and
//! deadlocks impossible; usage arrives in batches, so turns are few. Readers never wait.
//!
//! # Failure policy
//! A transaction that is not committed has not happened: every early return and every future that is dropped rolls
//! back, and the next writer finds a clean connection. SQLite runs with `synchronous = FULL`, so what was
//! acknowledged survives a loss of power too. Whatever failed heals by itself: no failure is remembered.

mod alerts;
mod audit;
mod bulk;
mod changes;
mod connect;
mod credit;
mod cursor;
mod health;
mod invitations;
mod keys;
mod links;
mod members;
mod objects;
mod people;
mod prices;
mod proxies;
mod readers;
mod requests;
mod reserve;
mod restored;
mod rows;
mod session;
mod sessions;
mod sums;
mod teams;
mod tiers;
mod time;
mod tokens;
mod usage;
mod writer;

use std::path::Path;

use sqlx::Row;
use tokio::sync::watch;
use tokio::time::Instant;

use self::connect::{Connector, Dialect, file_name};
use self::readers::Readers;
use self::reserve::Reserve;
pub(crate) use self::sums::{LARGEST as LARGEST_SUM, sum_of};
use self::writer::{Tx, Urgency, Writer};
use super::failure::Failure;
use super::{By, Once, Result, StoreError};
use crate::secret;

/// Keys, teams, usage and money in a SQL database.
pub struct Store {
    dialect: Dialect,
    writer: Writer,
    readers: Readers,
    head: watch::Sender<u64>,
}

impl Store {
    /// Opens the SQLite file at `path`; creates and migrates it. The file is readable by its owner only.
    ///
    /// # Errors
    /// Where the file cannot be opened, is no database, or is of a newer program: at once, in one sentence that names
    /// the file.
    pub async fn sqlite(path: &Path) -> Result<Self> {
        let place = file_name(path);
        let connector =
            Connector::sqlite(path).map_err(|error| Failure::opening(&place, &error))?;
        Self::open(connector, Some(Reserve::of(path))).await
    }

    /// Connects to a PostgreSQL database and migrates it.
    ///
    /// # Errors
    /// Where it cannot be reached, refuses, or is of a newer program: within seconds, in one sentence that names the
    /// server and no password.
    pub async fn postgres(url: &str) -> Result<Self> {
        Self::open(Connector::postgres(url), None).await
    }

    async fn open(connector: Connector, reserve: Option<Reserve>) -> Result<Self> {
        let place = connector.place.clone();
        loop {
            match Self::try_open(&connector).await {
                // A service that is started on a full disk must still be able to revoke.
                Err(error)
                    if Failure::opening(&place, &error).kind.is_of_disk()
                        && reserve
                            .as_ref()
                            .is_some_and(|r| r.give_up_part(Instant::now())) => {}
                Err(error) => return Err(Failure::opening(&place, &error).into()),
                Ok(()) => break,
            }
        }
        if let Some(reserve) = &reserve {
            reserve.restore(Instant::now());
        }
        Ok(Self {
            dialect: connector.dialect,
            writer: Writer::new(connector.clone(), reserve),
            readers: Readers::new(connector)?,
            head: watch::Sender::new(0),
        })
    }

    /// Brings the schema up to date.
    async fn try_open(connector: &Connector) -> sqlx::Result<()> {
        let mut session = connector.connect().await?;
        connector.migrate().await?;
        sqlx::query(
            "INSERT INTO meta (id, epoch, version) VALUES (1, $1, 0) ON CONFLICT DO NOTHING",
        )
        .bind(new_epoch_number()?)
        .execute(&mut session)
        .await?;
        session.close().await
    }

    /// Starts a writing transaction, alone among all writers.
    async fn begin(&self) -> Result<Tx> {
        self.writer.begin(Urgency::Usual).await
    }

    /// As [`Store::begin`], before all others that wait; see [`Store::urgently`].
    async fn begin_urgent(&self) -> Result<Tx> {
        self.writer.begin(Urgency::Urgent).await
    }

    /// Does what takes access away. Where the disk is full, the reserve makes room for it.
    async fn urgently<T, F>(&self, write: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        loop {
            let done = write().await;
            let full = matches!(&done, Err(StoreError::Unavailable(f)) if f.kind.is_of_disk());
            if !full || !self.writer.make_room().await {
                return done;
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
        // Not older than the proven time, whatever the clock says: it would be forgotten at once.
        "INSERT INTO idempotency (actor, token, request, result, created_at)
         SELECT $1, $2, $3, $4, CASE WHEN proven_at > $5 THEN proven_at ELSE $5 END FROM meta",
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
fn new_epoch_number() -> sqlx::Result<i64> {
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
