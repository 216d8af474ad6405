//! The journal: a file beside the database that records its changes. After a restore from a backup it shows what the database
//! lacks.
//!
//! Each line is a JSON object, appended and brought to the disk: the place in the history after a change (epoch, version,
//! place in the audit log), and what the change was. It holds no secret: it is a copy of a part of the audit log, for as
//! long as the last few thousand changes. When a database is restored from a backup, its history ends before the
//! journal's; what stands between the two is what is lost. See [`restored`] for what follows from that.
//!
//! # Failure policy
//! A journal that cannot be read or written is logged; then a restore is not recognised, and nothing else is lost. A line that
//! a crash has cut is skipped.

mod entry;
mod file;
mod restored;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use entry::Entry;
pub(crate) use file::JournalFile;
pub(crate) use restored::{begin_anew, look};

use crate::clock::Millis;
use crate::store::{By, Change, Head, Place, Store, StoreError};

/// How often to look for changes of other processes, and for those without a version.
const LOOK: Duration = Duration::from_secs(1);

/// The longest that an answer waits for the journal.
const WAIT: Duration = Duration::from_millis(100);

/// The longest that a stop waits for each of two looks.
const SETTLE: Duration = Duration::from_millis(500);

/// How many changes are copied at once.
const AT_ONCE: u32 = 500;

/// How many looks there are between two notes of what is in the database's file: ten minutes.
const LOOKS_A_NOTE: u32 = 600;

/// A journal that is kept while it lives.
pub(crate) struct Journal {
    /// The place that it has reached, after each look.
    has: watch::Receiver<Option<Head>>,
    /// Asks for a look.
    look: Arc<Notify>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Journal {
    /// Follows the store from where the file ends. Without a file there is nothing to keep.
    pub(crate) fn keep(path: Option<PathBuf>, store: Arc<Store>) -> Self {
        let (told, has) = watch::channel(None);
        let look = Arc::new(Notify::new());
        let task = path.map(|path| {
            let follower = Follower {
                file: JournalFile::open(path),
                store,
                told,
                look: look.clone(),
            };
            tokio::spawn(follower.run())
        });
        Self { has, look, task }
    }

    /// Returns once the journal has all that was changed before, or after a second.
    pub(crate) async fn settle(&self) {
        if self.task.is_none() {
            return;
        }
        let mut has = self.has.clone();
        // The look that is under way may have begun before the last change.
        for _ in 0..2 {
            has.mark_unchanged();
            self.look.notify_one();
            let _ = timeout(SETTLE, has.changed()).await;
        }
    }

    /// Returns once the journal has this version, or shortly: then it has it later.
    pub(crate) async fn has(&self, head: Head) {
        if self.task.is_none() {
            return;
        }
        let mut has = self.has.clone();
        let known = |at: &Option<Head>| {
            at.is_some_and(|at| at.epoch != head.epoch || at.version >= head.version)
        };
        let _ = timeout(WAIT, has.wait_for(known)).await;
    }
}

struct Follower {
    file: JournalFile,
    store: Arc<Store>,
    told: watch::Sender<Option<Head>>,
    look: Arc<Notify>,
}

impl Follower {
    async fn run(mut self) {
        let mut changed = self.store.watch();
        let mut until_note = 0;
        loop {
            let note = until_note == 0;
            until_note = if note { LOOKS_A_NOTE } else { until_note - 1 };
            match self.catch_up(note).await {
                // A log that was busy is folded in at the next look.
                Ok(noted) if note && !noted => until_note = 0,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the journal does not follow; it is tried again");
                }
            }
            tokio::select! {
                _ = timeout(LOOK, changed.changed()) => {}
                () = self.look.notified() => {}
            }
        }
    }

    /// Copies what has changed; with `note` also what the database's file has by itself. Gives whether that was noted.
    async fn catch_up(&mut self, note: bool) -> Result<bool, StoreError> {
        let by = By::service(Millis::now());
        // A server's database can be restored while this service runs.
        look(&self.store, &mut self.file, &by).await?;
        let place = self.store.place().await?;
        // A change has at least the version that was reached before.
        let (mut after, version) = match self.file.last() {
            Some(last) if last.place.epoch == place.epoch => (last.place.seq, last.place.version),
            _ => (place.seq, place.version),
        };
        let mut new = Vec::new();
        while after < place.seq {
            let page = self.store.audit_after(after, AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for entry in &page {
                let at = Place {
                    epoch: place.epoch,
                    version,
                    seq: entry.seq,
                };
                new.extend(Change::of(entry).map(|change| Entry::change(at, change)));
            }
        }
        let kept = match note {
            // A full disk must not keep the changes out.
            true => self.store.checkpoint().await.unwrap_or(None),
            false => None,
        };
        let noted = kept.is_some();
        let moved = self.file.last().is_none_or(|last| last.place != place);
        if moved || noted {
            new.push(Entry::reached(place, kept));
        }
        self.file.append(new).await;
        self.told.send_replace(Some(Head {
            epoch: place.epoch,
            version: place.version,
        }));
        Ok(noted)
    }
}
