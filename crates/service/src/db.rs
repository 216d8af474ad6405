//! Operations on a whole database: backup, restore, check, and copy to another kind of database.
//!
//! What it is not: part of a running service. These operations bypass [`crate::store`], which reads row by row. All but backup
//! and check need the database for themselves.
//!
//! # Failure policy
//! A database is replaced or filled as a whole or not at all; what it replaces is kept beside it. Where a person has to act
//! first, the error is [`DbError::Refused`], and nothing has happened.

mod backup;
mod check;
mod copy;
mod lock;
mod log;
mod raw;
mod restore;

use std::io;
use std::path::{Path, PathBuf};

pub use backup::{Backup, backup};
pub use check::{Check, check};
pub use copy::{Copied, copy};
pub use lock::Lock;
pub(crate) use log::refuse_foreign_log;
pub use restore::{Restore, restore};

use crate::config::Database;
use crate::store::StoreError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It must not be done as things are; says what to change. Nothing has happened.
    #[error("{0}")]
    Refused(String),
    /// What was read is not what it must be.
    #[error("{0}")]
    Damaged(String),
    /// A database failed.
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// What a function here gives.
pub type Result<T, E = DbError> = std::result::Result<T, E>;

impl DbError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::File {
            path: path.into(),
            cause,
        }
    }
}

/// The database that a text names: a PostgreSQL URL, or the path of a SQLite file.
#[must_use]
pub fn named(text: &str) -> Database {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        Database::Postgres(text.into())
    } else {
        Database::Sqlite(text.into())
    }
}

/// Refuses to write over an existing file.
fn must_be_free(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(DbError::Refused(format!(
            "{} is there already: name another file, or remove it",
            path.display()
        ))),
        Err(cause) => Err(DbError::file(path)(cause)),
    }
}

/// The path with a suffix, as SQLite names the files that belong to a database.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(end);
    whole.into()
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(DbError::file(path)(cause)),
        _ => Ok(()),
    }
}

/// Renames a file durably: after a crash it is there whole, or not at all.
fn settle(from: &Path, to: &Path) -> Result<()> {
    std::fs::File::open(from)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(from, to))
        .map_err(DbError::file(to))?;
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(DbError::file(directory))
}
