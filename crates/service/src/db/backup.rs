//! A backup: one file of SQLite, as the database was at one moment, taken while services write on.

use std::path::Path;

use serde::Serialize;

use super::check::whole;
use super::raw::Raw;
use super::{Result, copy, must_be_free, remove, settle, with_end};
use crate::config::Database;
use crate::secret;

/// What was backed up.
#[derive(Debug, Serialize)]
pub struct Backup {
    /// The version of the last change that it has.
    pub version: i64,
    /// Keys.
    pub keys: i64,
    /// Teams.
    pub teams: i64,
    /// Single events.
    pub events: i64,
    /// The file's size in bytes.
    pub bytes: u64,
}

/// Writes what `database` has at this moment to the new file `to`, which only its owner can read. It is complete, and
/// on the disk, when this returns; until then it has another name.
///
/// # Errors
/// Where `to` is there already, or something cannot be read or written.
pub async fn backup(database: &Database, to: &Path) -> Result<Backup> {
    must_be_free(to)?;
    let beside = with_end(to, ".partial");
    remove(&beside)?;
    let done = take(database, &beside, to).await;
    if done.is_err() {
        let _ = remove(&beside);
    }
    done
}

async fn take(database: &Database, beside: &Path, to: &Path) -> Result<Backup> {
    match database {
        Database::Sqlite(_) => {
            let mut raw = Raw::open(database, "mode=ro").await?;
            secret::private_file(beside).map_err(super::DbError::file(beside))?;
            sqlx::query("VACUUM INTO $1")
                .bind(beside.to_string_lossy().into_owned())
                .execute(&mut raw.sql)
                .await?;
            raw.close().await?;
        }
        Database::Postgres(_) => {
            copy(database, &Database::Sqlite(beside.into())).await?;
            remove(&with_end(beside, ".lock"))?;
        }
    }
    let file = Database::Sqlite(beside.into());
    let mut raw = Raw::open(&file, "mode=ro").await?;
    whole(&mut raw).await?;
    let done = Backup {
        version: raw.number("SELECT version FROM meta").await?,
        keys: raw.number("SELECT COUNT(*) FROM keys").await?,
        teams: raw.number("SELECT COUNT(*) FROM teams").await?,
        events: raw.number("SELECT COUNT(*) FROM events").await?,
        bytes: std::fs::metadata(beside).map_or(0, |file| file.len()),
    };
    raw.close().await?;
    settle(beside, to)?;
    Ok(done)
}
