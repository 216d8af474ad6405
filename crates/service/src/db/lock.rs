//! The lock on a SQLite file: services share it; a program that replaces the file needs it alone.
//!
//! It is a lock on a file beside the database, which ends with the process however that ends. On the database's own file, closing
//! it would end SQLite's locks too.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{DbError, with_end};
use crate::store::{Failure, StoreError};

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "its end is what it is for")] Option<File>);

impl Lock {
    /// Locks the file at `path` together with others that use it. On a full disk, where the lock's file cannot be made, it goes
    /// without: a service that is started then must still be able to revoke.
    ///
    /// # Errors
    /// While somebody replaces the file, or where the lock's file cannot be made for another reason.
    pub fn share(path: &Path) -> Result<Self, StoreError> {
        let failed = |cause| Failure::opening(&path.display().to_string(), &sqlx::Error::Io(cause));
        let file = match open(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
                return Ok(Self(None));
            }
            other => other.map_err(failed)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(StoreError::Conflict(format!(
                "{} is being replaced by gmtech db: start again when that is done",
                path.display()
            ))),
            Err(TryLockError::Error(cause)) => Err(failed(cause).into()),
        }
    }

    /// Locks the file alone.
    ///
    /// # Errors
    /// [`DbError::Refused`] while somebody uses it.
    pub fn alone(path: &Path) -> Result<Self, DbError> {
        let file = open(path).map_err(DbError::file(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(DbError::Refused(format!(
                "a key service uses {}: stop it first",
                path.display()
            ))),
            Err(TryLockError::Error(cause)) => Err(DbError::file(path)(cause)),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(with_end(path, ".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_and_one_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gmtech.db");
        let users = [Lock::share(&path).unwrap(), Lock::share(&path).unwrap()];
        let refused = Lock::alone(&path).unwrap_err().to_string();
        assert!(refused.contains("stop it first"), "{refused}");
        drop(users);
        let alone = Lock::alone(&path).unwrap();
        assert!(matches!(Lock::share(&path), Err(StoreError::Conflict(_))));
        drop(alone);
        assert!(Lock::share(&path).is_ok());
    }
}
