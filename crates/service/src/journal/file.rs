//! The file of a journal: read once, appended to, cut when it has grown.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::entry::Entry;

/// From so many lines on the older half goes: some hundred kilobytes.
const MOST: usize = 4_000;

/// The most that is read of it, in bytes. More is no journal of ours.
const MAX_BYTES: u64 = 16 << 20;

/// A journal's file with what it has.
pub(crate) struct JournalFile {
    path: PathBuf,
    entries: Vec<Entry>,
    /// Whether the last write worked: a failure is said once.
    works: bool,
}

impl JournalFile {
    /// Reads what is there.
    pub(crate) fn open(path: PathBuf) -> Self {
        let entries = match read(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "the journal cannot be read: a restored database would \
                    not be recognised by it");
                Vec::new()
            }
        };
        Self {
            path,
            entries,
            works: true,
        }
    }

    /// All lines, the oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// The last note of what the database's file has, and where.
    pub(crate) fn kept(&self) -> Option<(usize, &Entry)> {
        let noted = self.entries.iter().enumerate().rev();
        noted.into_iter().find(|(_, entry)| entry.kept.is_some())
    }

    /// Adds lines and waits until they are on the disk.
    pub(crate) async fn append(&mut self, new: Vec<Entry>) {
        if new.is_empty() {
            return;
        }
        self.entries.extend(new.iter().cloned());
        let whole = self.entries.len() > MOST;
        if whole {
            self.entries.drain(..self.entries.len() - MOST / 2);
        }
        let (path, lines) = (
            self.path.clone(),
            if whole { self.entries.clone() } else { new },
        );
        let write = move || {
            if whole {
                replace(&path, &lines)
            } else {
                append(&path, &lines)
            }
        };
        let done = match tokio::task::spawn_blocking(write).await {
            Ok(done) => done,
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = &done
            && self.works
        {
            tracing::warn!(%error, file = %self.path.display(), "the journal cannot be written: a restored database would \
                not be recognised by it");
        }
        self.works = done.is_ok();
    }
}

fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(Entry::parse).collect())
}

fn text(entries: &[Entry]) -> io::Result<String> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    Ok(text)
}

fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn append(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut file = options().append(true).open(path)?;
    let mut text = text(entries)?;
    // A line that a crash has cut must not swallow the next one.
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.insert(0, '\n');
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Written beside and renamed, so that a crash leaves the old one or the new one.
fn replace(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let mut file = options().write(true).truncate(true).open(&beside)?;
    file.write_all(text(entries)?.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    fn reached(version: u64) -> Entry {
        let place = Place {
            epoch: 7,
            version,
            seq: 0,
        };
        Entry::reached(place, None)
    }

    #[tokio::test]
    async fn it_is_appended_to_cut_when_long_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.served");
        let mut file = JournalFile::open(path.clone());
        assert!(file.last().is_none());
        for version in 1..=3 {
            file.append(vec![reached(version)]).await;
        }
        assert_eq!(
            JournalFile::open(path.clone()).entries(),
            [1, 2, 3].map(reached)
        );
        // A crash in the middle of a line.
        std::fs::write(
            &path,
            [&std::fs::read(&path).unwrap()[..], b"{\"epoch\":7,"].concat(),
        )
        .unwrap();
        let mut file = JournalFile::open(path.clone());
        file.append(vec![reached(4)]).await;
        assert_eq!(
            JournalFile::open(path.clone()).entries(),
            [1, 2, 3, 4].map(reached)
        );
        file.append((5..=MOST as u64 + 1).map(reached).collect())
            .await;
        let short = JournalFile::open(path.clone());
        assert_eq!(
            (short.entries().len(), short.last()),
            (MOST / 2, Some(&reached(MOST as u64 + 1)))
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "others can read it");
        }
    }

    #[tokio::test]
    async fn rubbish_and_a_place_that_cannot_be_written_cost_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.served");
        std::fs::write(&path, b"\xff\xfe rubbish\n{}\n").unwrap();
        assert!(JournalFile::open(path).entries().is_empty());
        let mut nowhere = JournalFile::open(dir.path().join("missing/db.served"));
        nowhere.append(vec![reached(1)]).await;
        assert_eq!(nowhere.last(), Some(&reached(1)), "it goes on from here");
    }
}
