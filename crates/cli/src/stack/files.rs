//! The directory of a running stack: writes its files, readable only by their owner, and removes them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The files that are removed when the stack ends: all except the logs, the key service's database and its tokens.
const TRANSIENT: [&str; 4] = ["demo.env", "envoy.json", "upstream.key", "stack.lock"];

/// A directory that is locked by one stack. Dropping it removes the files that no later stack needs.
pub(super) struct LocalDir {
    path: PathBuf,
    lock: Option<File>,
}

impl LocalDir {
    /// Makes the directory if it is missing, and locks it.
    ///
    /// # Errors
    /// When another stack has locked it, or it cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let path =
            std::path::absolute(path).with_context(|| format!("LOCAL_DIR {}", path.display()))?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the directory {} (LOCAL_DIR)", path.display()))?;
        let lock = private_file(&path.join("stack.lock"))?;
        if lock.try_lock().is_err() {
            bail!(
                "another stack runs in {}: end it, or set LOCAL_DIR",
                path.display()
            );
        }
        Ok(Self {
            path,
            lock: Some(lock),
        })
    }

    /// Its absolute path.
    pub(super) fn root(&self) -> &Path {
        &self.path
    }

    /// The absolute path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that only its owner can read, complete or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path(name);
        let part = self.path(&format!("{name}.part"));
        private_file(&part)?
            .write_all(content.as_bytes())
            .and_then(|()| std::fs::rename(&part, &path))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Starts an empty log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn new_log(&self, name: &str) -> Result<File> {
        private_file(&self.path(name))
    }

    /// Keeps the files when it is dropped.
    pub(super) fn keep(mut self) {
        self.lock = None;
    }
}

impl Drop for LocalDir {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        for name in TRANSIENT {
            // Most of them may not exist yet. Other failures cannot be reported while dropping.
            let _ = std::fs::remove_file(self.path(name));
        }
    }
}

fn private_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fresh(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("gmtech-files-{}-{name}", std::process::id()))
    }

    #[test]
    fn only_logs_and_the_services_files_stay_and_secrets_are_private() {
        let path = fresh("drop");
        let dir = LocalDir::create(&path).unwrap();
        for name in TRANSIENT {
            dir.write(name, "secret").unwrap();
            let mode = std::fs::metadata(dir.path(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        for name in ["envoy.log", "gmtech.db"] {
            drop(dir.new_log(name).unwrap());
        }
        drop(dir);
        let mut left: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        std::fs::remove_dir_all(&path).unwrap();
        left.sort();
        assert_eq!(left, ["envoy.log", "gmtech.db"]);
    }

    #[test]
    fn a_directory_belongs_to_one_stack() {
        let path = fresh("lock");
        let first = LocalDir::create(&path).unwrap();
        let Err(error) = LocalDir::create(&path) else {
            panic!("two stacks in one directory")
        };
        assert!(error.to_string().contains("LOCAL_DIR"), "{error}");
        drop(first);
        drop(LocalDir::create(&path).unwrap());
        std::fs::remove_dir_all(&path).unwrap();
    }
}
