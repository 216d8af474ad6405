//! The highest version that was ever served, in a file beside the database.
//!
//! When a database is restored from a backup its versions go back, and a proxy that is ahead would wait for
//! changes that it believes to have. Two things recognise that: this file at the start, and a poll from ahead of the head
//! at any time. Either starts a new epoch, in which every proxy reads everything again. What neither sees is a
//! database restored together with this file while no proxy polls until the versions have caught up; after
//! restoring whole directories, start once with the new-epoch option.
//!
//! # Failure policy
//! A file that cannot be read or written is logged and costs only this recognition.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::store::Head;

pub(crate) struct HighWater {
    path: Option<PathBuf>,
    served: Mutex<Option<Head>>,
}

impl HighWater {
    pub(crate) fn open(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|p| std::fs::read_to_string(p).ok());
        let served = text.and_then(|text| {
            let (epoch, version) = text.trim().split_once(' ')?;
            Some(Head {
                epoch: epoch.parse().ok()?,
                version: version.parse().ok()?,
            })
        });
        Self {
            path,
            served: Mutex::new(served),
        }
    }

    /// Whether more was served in this epoch than the database knows of.
    pub(crate) fn is_ahead_of(&self, head: Head) -> bool {
        let served = self.served.lock().ok().and_then(|s| *s);
        served.is_some_and(|s| s.epoch == head.epoch && s.version > head.version)
    }

    /// Remembers what is about to be served.
    pub(crate) fn note(&self, head: Head) {
        let (Some(path), Ok(mut served)) = (&self.path, self.served.lock()) else {
            return;
        };
        if served.is_some_and(|s| s.epoch == head.epoch && s.version >= head.version) {
            return;
        }
        *served = Some(head);
        // Written beside and renamed, so that a crash leaves the old one or the new one.
        let beside = path.with_extension("served.new");
        let text = format!("{} {}\n", head.epoch, head.version);
        if let Err(error) =
            std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path))
        {
            tracing::warn!(%error, "cannot remember the version that was served");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lower_version_of_the_same_epoch_is_a_restored_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.served");
        let at = |epoch, version| Head { epoch, version };
        HighWater::open(Some(path.clone())).note(at(7, 40));
        let later = HighWater::open(Some(path.clone()));
        for (head, ahead) in [
            (at(7, 39), true),
            (at(7, 40), false),
            (at(7, 41), false),
            (at(8, 1), false),
        ] {
            assert_eq!(later.is_ahead_of(head), ahead, "{head:?}");
        }
        later.note(at(7, 12));
        assert!(
            HighWater::open(Some(path.clone())).is_ahead_of(at(7, 39)),
            "it never goes back"
        );
        std::fs::write(&path, "rubbish").unwrap();
        assert!(!HighWater::open(Some(path)).is_ahead_of(at(7, 0)));
        assert!(!HighWater::open(None).is_ahead_of(at(7, 0)));
    }
}
