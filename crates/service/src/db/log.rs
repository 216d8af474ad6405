//! A write-ahead log that belongs to another file than the one it lies beside.
//!
//! SQLite cannot see this: it writes the log of the database that was there into the one that was put in its place, so that a
//! restore by `cp` is silently undone, or ends as "malformed". The journal remembers a number that the file had, and that
//! only rises: a file with a lower one, beside a log that is not empty, has been replaced.
//!
//! A copy that came with its own log is found too: the two together are still older than what was noted.
//!
//! What it does not see is a copy that is younger than the last note (the last start, or ten minutes), and a copy over
//! the file of a service that runs.

use std::path::Path;

use sqlx::Row;

use super::raw::{connect_sqlite, sqlite_url};
use super::with_end;
use crate::journal::JournalFile;
use crate::store::StoreError;

/// The header of a log; one without more has nothing in it.
const EMPTY: u64 = 32;

/// Refuses a file that was put beside the log of another one.
///
/// # Errors
/// [`StoreError::Conflict`], with what to do.
pub(crate) async fn refuse_foreign_log(
    path: &Path,
    journal: Option<&Path>,
) -> Result<(), StoreError> {
    let log = with_end(path, "-wal");
    let size = std::fs::metadata(&log).map_or(0, |file| file.len());
    let Some(journal) = journal.filter(|_| size > EMPTY) else {
        return Ok(());
    };
    let journal = JournalFile::open(journal.into());
    if !is_older(path, &journal).await {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "{0} was replaced by an older copy, but the write-ahead log of the database that was there lies beside it and \
         would undo that: remove {0}-wal and {0}-shm and start again, or let gmtech db restore do it",
        path.display()
    )))
}

/// Whether the file by itself is an older one than that of which the journal noted something last.
async fn is_older(path: &Path, journal: &JournalFile) -> bool {
    let Some((noted_at, noted)) = journal.kept() else {
        return false;
    };
    // What cannot be read without its log, as after a crash in the middle of writing it back, is for SQLite to repair.
    let Some((epoch, beat)) = alone(path).await else {
        return false;
    };
    if epoch == noted.place.epoch {
        let Some(kept) = noted.kept else { return false };
        return beat < kept && with_log(path).await.is_some_and(|beat| beat >= kept);
    }
    let last = journal
        .entries()
        .iter()
        .rposition(|e| e.place.epoch == epoch);
    last.is_some_and(|last| last < noted_at)
}

/// Epoch and number of the file by itself.
async fn alone(path: &Path) -> Option<(u64, i64)> {
    read(&sqlite_url(path, "mode=ro&immutable=true")).await
}

/// The number that the file has with the log beside it. Read through another name, so that nothing of either changes.
async fn with_log(path: &Path) -> Option<i64> {
    let other = with_end(path, ".looking");
    let clear = || {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_end(&other, end));
        }
    };
    clear();
    let linked = std::fs::hard_link(path, &other)
        .and_then(|()| std::fs::copy(with_end(path, "-wal"), with_end(&other, "-wal")));
    let found = match linked {
        Ok(_) => read(&sqlite_url(&other, "mode=ro")).await,
        Err(_) => None,
    };
    clear();
    found.map(|(_, beat)| beat)
}

async fn read(url: &str) -> Option<(u64, i64)> {
    let mut raw = connect_sqlite(url).await.ok()?;
    let row = sqlx::query("SELECT epoch, beat FROM meta")
        .fetch_one(&mut raw)
        .await
        .ok();
    let _ = sqlx::Connection::close(raw).await;
    let row = row?;
    Some((
        u64::try_from(row.try_get::<i64, _>(0).ok()?).ok()?,
        row.try_get(1).ok()?,
    ))
}
