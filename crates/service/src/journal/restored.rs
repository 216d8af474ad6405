//! Recognises a database that was restored from a backup, starts a new epoch for it, and names the changes that it lacks.
//!
//! Restoring a backup silently undoes the revocations that were made after it: the keys are active again. So every change that
//! the journal has and the database lacks becomes a line of the log and a row of `restored`, with the command that puts it
//! right. It stays there until an administrator acknowledges it.
//!
//! # What is not known
//! Charges since the backup are in no journal: the access logs of that time, imported again, bring them back.

use std::path::Path;

use super::entry::{Entry, Lost, Standing, standing};
use super::file::JournalFile;
use crate::clock::Millis;
use crate::store::{By, Head, Place, Store, StoreError};

/// Starts a new epoch if the database is older than the journal; gives whether it was. To be called before anything is
/// served.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn look(
    store: &Store,
    journal: &mut JournalFile,
    by: &By,
) -> Result<bool, StoreError> {
    let place = store.place().await?;
    let Standing::Behind(lost) = standing(journal.entries(), &place) else {
        return Ok(false);
    };
    let until = store.proven().await?.map(Millis::to_rfc3339);
    let why = "the database is older than what was served";
    begin(store, Some(journal), place, why, &lost, by).await?;
    tracing::warn!(
        version = place.version,
        until,
        lost = lost.changes.len(),
        "{why}, as after a restore: every proxy reads everything again. Usage since then has to be imported from the \
         access logs (gmtech usage import); gmtech db lost lists what else is lost"
    );
    if !lost.all {
        tracing::warn!(
            "the journal does not go back to this backup: older changes may be lost that it does not name"
        );
    }
    for change in &lost.changes {
        tracing::warn!(
            action = change.action,
            subject = change.subject,
            "{}",
            change.advice()
        );
    }
    Ok(true)
}

/// Starts a new epoch for a database that was just restored; gives what it lacks, as far as the journal at this path
/// knows.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn begin_anew(
    store: &Store,
    journal: Option<&Path>,
    by: &By,
) -> Result<Lost, StoreError> {
    let place = store.place().await?;
    let mut journal = journal.map(|path| JournalFile::open(path.into()));
    let entries = journal.as_ref().map_or(&[][..], JournalFile::entries);
    let lost = match standing(entries, &place) {
        Standing::Behind(lost) => lost,
        Standing::Current => Lost {
            all: true,
            ..Lost::default()
        },
        Standing::Unknown => Lost::default(),
    };
    let why = "restored from a backup";
    begin(store, journal.as_mut(), place, why, &lost, by).await?;
    Ok(lost)
}

async fn begin(
    store: &Store,
    journal: Option<&mut JournalFile>,
    place: Place,
    why: &str,
    lost: &Lost,
    by: &By,
) -> Result<(), StoreError> {
    let from = Head {
        epoch: place.epoch,
        version: place.version,
    };
    store.new_epoch(from, why, &lost.changes, by).await?;
    if let Some(journal) = journal {
        let reached = Entry::reached(store.place().await?, None);
        journal.append(vec![reached]).await;
    }
    Ok(())
}
