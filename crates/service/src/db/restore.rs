//! A backup back in place.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::check::whole;
use super::raw::Raw;
use super::{DbError, Lock, Result, copy, remove, settle, with_end};
use crate::clock::Millis;
use crate::config::Database;
use crate::journal;
use crate::secret;
use crate::store::{By, Change, Store};

/// What was restored.
#[derive(Debug, Serialize)]
pub struct Restore {
    /// The version from which the history goes on, in a new epoch.
    pub version: u64,
    /// Where the database that was there is now.
    pub replaced: Option<PathBuf>,
    /// What is lost, one sentence each: what it means and what puts it right.
    pub lost: Vec<String>,
    /// Whether these are all: whether the journal beside the database goes back to the backup.
    pub all: bool,
}

/// Puts the backup `from` in the place of `database`: a SQLite file that no service uses, or an empty PostgreSQL
/// database. It starts a new epoch, so that every proxy reads everything again, and names what the journal knows to be lost.
///
/// # Errors
/// Where a service uses the database, the backup is damaged or of a newer version, or something cannot be written. What
/// was there is in place then.
pub async fn restore(database: &Database, from: &Path, journal: Option<&Path>) -> Result<Restore> {
    let by = By {
        actor: "gmtech db restore".into(),
        ..By::service(Millis::now())
    };
    let (store, replaced, _lock) = match database {
        Database::Sqlite(path) => {
            let lock = Lock::alone(path)?;
            let ready = with_end(path, ".restoring");
            let done = prepare(from, &ready).await;
            let done = done.and_then(|()| replace(path, &ready));
            if done.is_err() {
                let _ = remove(&ready);
            }
            let replaced = done?;
            (Store::sqlite(path).await?, replaced, Some(lock))
        }
        Database::Postgres(url) => {
            let ready = with_end(from, ".restoring");
            let done = match prepare(from, &ready).await {
                Ok(()) => copy(&Database::Sqlite(ready.clone()), database).await,
                Err(error) => Err(error),
            };
            remove(&ready)?;
            done?;
            (Store::postgres(url).await?, None, None)
        }
    };
    let lost = journal::begin_anew(&store, journal, &by).await?;
    let version = store.head().await?.version;
    store.close().await?;
    Ok(Restore {
        version,
        replaced,
        all: lost.all,
        lost: lost.changes.iter().map(Change::advice).collect(),
    })
}

/// A copy of the backup at `ready`, whole and of the present version, without a log beside it.
async fn prepare(from: &Path, ready: &Path) -> Result<()> {
    std::fs::metadata(from).map_err(DbError::file(from))?;
    for end in ["", "-wal", "-shm", "-journal"] {
        remove(&with_end(ready, end))?;
    }
    // A backup by `cp` may have its log beside it.
    for end in ["", "-wal"] {
        let (from, ready) = (with_end(from, end), with_end(ready, end));
        if end.is_empty() || from.exists() {
            let mut source = std::fs::File::open(&from).map_err(DbError::file(&from))?;
            let mut copy = secret::private_file(&ready).map_err(DbError::file(&ready))?;
            std::io::copy(&mut source, &mut copy).map_err(DbError::file(&ready))?;
        }
    }
    let damaged = |why: DbError| match why {
        DbError::Refused(_) => why,
        other => DbError::Damaged(format!(
            "{} is no backup that can be restored: {other}",
            from.display()
        )),
    };
    let mut raw = Raw::open(&Database::Sqlite(ready.into()), "mode=rw")
        .await
        .map_err(damaged)?;
    let checked = async {
        raw.rows("PRAGMA journal_mode = DELETE").await?;
        whole(&mut raw).await?;
        // What is no database of ours must not become one by being migrated.
        raw.number("SELECT version FROM meta").await?;
        raw.migrate().await
    };
    checked.await.map_err(damaged)?;
    raw.close().await
}

/// Moves `ready` to `path`, and what is there aside, with its log; gives where that is.
fn replace(path: &Path, ready: &Path) -> Result<Option<PathBuf>> {
    let mut replaced = None;
    if path.exists() {
        let aside = (0..)
            .map(|n| with_end(path, &format!(".replaced{n}")))
            .find(|to| !to.exists());
        let aside = aside.ok_or_else(|| DbError::Refused("there is no free name".into()))?;
        // The log first: a crash in between must not leave it beside another file.
        for end in ["-wal", ""] {
            let (from, to) = (with_end(path, end), with_end(&aside, end));
            if from.exists() {
                std::fs::rename(&from, &to).map_err(DbError::file(&from))?;
            }
        }
        replaced = Some(aside);
    }
    for end in ["-wal", "-shm", "-journal"] {
        remove(&with_end(path, end))?;
    }
    settle(ready, path)?;
    Ok(replaced)
}
