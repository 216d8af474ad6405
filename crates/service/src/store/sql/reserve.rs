//! Disk space reserved for revocations: a file beside a SQLite database.
//!
//! A full disk must not keep a key valid. So [`SIZE`] bytes are taken from the beginning. A revocation that finds the disk
//! full gives a part of them back and is tried again; the log that it writes to is folded into the database long before
//! all parts are used up. While a part is missing, nothing else is written: it would take the room away again.
//!
//! A database server keeps its own reserve, or none; there is no file for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::secret;

/// How much is kept, and how much of it one revocation gives back, in bytes. SQLite's log is folded in after 4 MB.
const SIZE: u64 = 4 * PART;
const PART: u64 = 1 << 20;

/// How long to wait, after it was needed or could not be made, before it is made again.
const PAUSE: Duration = Duration::from_millis(500);

/// The reserve of one database.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    again_at: Mutex<Option<Instant>>,
}

impl Reserve {
    /// Beside the database at `path`, as `NAME.reserve`.
    pub(super) fn of(path: &std::path::Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        Self {
            path: name.into(),
            again_at: Mutex::new(None),
        }
    }

    /// Whether nothing of it is missing. Asks the disk: another process may use the same database.
    pub(super) fn is_whole(&self) -> bool {
        self.len() >= SIZE
    }

    /// Gives a part back to the disk; false if there is none left.
    pub(super) fn give_up_part(&self, now: Instant) -> bool {
        self.wait_a_while(now);
        let length = self.len();
        if length == 0 {
            return false;
        }
        let cut = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .and_then(|file| file.set_len(length.saturating_sub(PART)));
        match &cut {
            Ok(()) => {
                tracing::warn!(
                    left = length.saturating_sub(PART),
                    "the disk is full: a part of the reserve was given up for a revocation"
                );
            }
            Err(error) => tracing::error!(%error, "the reserve cannot be given up"),
        }
        cut.is_ok()
    }

    /// Makes what is missing, if there is room for it and for one part more; gives whether it is whole then. It writes up to five
    /// megabytes, so call it where blocking is allowed.
    pub(super) fn restore(&self, now: Instant) -> bool {
        if self.is_whole() {
            return true;
        }
        if !self.is_time(now) {
            return false;
        }
        let had = self.len();
        let made = self.fill(had);
        if let Err(error) = &made {
            // What was written of it must not stay: a revocation gets what there is.
            let back = OpenOptions::new().write(true).open(&self.path);
            let _ = back.and_then(|file| file.set_len(had));
            self.wait_a_while(now);
            tracing::warn!(%error, "there is no room for the reserve: only revocations are written");
        }
        made.is_ok()
    }

    fn fill(&self, had: u64) -> io::Result<()> {
        let mut file = match secret::private_file(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                OpenOptions::new().append(true).open(&self.path)?
            }
            Err(error) => return Err(error),
        };
        self.write(&mut file, (SIZE + PART).saturating_sub(had))?;
        file.set_len(SIZE)
    }

    /// Random bytes: a file system that compresses would keep no room for zeros.
    fn write(&self, file: &mut File, bytes: u64) -> io::Result<()> {
        let block: [u8; 4096] = secret::random()?;
        let block = block.repeat(64);
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while left > 0 {
            let part = block.get(..left.min(block.len())).unwrap_or(&block);
            file.write_all(part)?;
            left -= part.len();
        }
        file.flush()
    }

    /// Whether there is room for more than what is kept. A log that is used again lets small writes succeed on a disk on
    /// which larger ones fail, so that none of them proves it.
    pub(super) fn has_room(&self) -> bool {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => std::path::Path::new("."),
        };
        rustix::fs::statvfs(directory)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= PART)
    }

    fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    fn is_time(&self, now: Instant) -> bool {
        let again_at = self.again_at.lock().map_or(None, |at| *at);
        again_at.is_none_or(|at| at <= now)
    }

    fn wait_a_while(&self, now: Instant) {
        if let Ok(mut at) = self.again_at.lock() {
            *at = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_part_by_part_and_made_again_after_a_pause() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(&dir.path().join("gmtech.db"));
        let now = Instant::now();
        assert!(!reserve.is_whole());
        assert!(!reserve.give_up_part(now), "there is none yet");
        assert!(reserve.restore(now + PAUSE) && reserve.is_whole());
        let path = dir.path().join("gmtech.db.reserve");
        let length = || std::fs::metadata(&path).unwrap().len();
        assert_eq!(length(), SIZE);
        let now = now + PAUSE;
        for left in [3 * PART, 2 * PART, PART, 0] {
            assert!(reserve.give_up_part(now));
            assert_eq!(length(), left);
            assert!(!reserve.restore(now), "it was needed just now");
        }
        assert!(!reserve.give_up_part(now));
        assert!(reserve.restore(now + PAUSE) && reserve.is_whole());
        assert_eq!(length(), SIZE);
    }

    #[test]
    fn a_disk_that_is_not_there_has_no_room() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Reserve::of(&dir.path().join("db")).has_room());
        assert!(!Reserve::of(&dir.path().join("nowhere/db")).has_room());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(Reserve::of(&dir.path().join("db")).restore(Instant::now()));
        let mode = std::fs::metadata(dir.path().join("db.reserve"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
