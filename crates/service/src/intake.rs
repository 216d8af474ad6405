//! Usage on its way into the store: one task writes it all.
//!
//! Batches that wait are written together, in one transaction, so that the disk is waited for once: what is slow is to
//! make a transaction durable, not its rows. Each batch gets its own answer, once it is durable.
//!
//! # Failure policy
//! A batch is written whole or not at all, whatever becomes of the client that sent it. If a transaction fails, each
//! of its batches is answered with the failure, to be sent again, and the next ones are written one by one until one
//! succeeds: a batch that cannot be written costs the others a try, not their chance.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Millis;
use crate::store::{Batch, Failure, FailureKind, Ingested, Result, Store, StoreError};

/// How many batches may wait. Beyond it their senders wait.
const WAITING: usize = 64;

/// From so many events on, no more batches are added to a transaction.
const MANY: usize = 8_000;

/// The way into the store.
pub struct Intake(mpsc::Sender<Job>);

struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<Ingested>>,
}

impl Intake {
    /// Starts the task that writes to the store. It ends when the intake is dropped and all is written.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<Store>) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write_all(waiting, store));
        Self(jobs)
    }

    /// Counts and charges events, each id once; returns when that is durable.
    ///
    /// # Errors
    /// Where the store does not answer. To send the batch again is safe, whatever has happened.
    pub async fn take(&self, batch: impl Into<Batch>) -> Result<Ingested> {
        let batch = batch.into();
        let (done, answer) = oneshot::channel();
        let closed =
            || StoreError::Unconfirmed(Failure::new(FailureKind::Other, "the service stops"));
        self.0
            .send(Job { batch, done })
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn write_all(mut waiting: mpsc::Receiver<Job>, store: Arc<Store>) {
    let mut alone = false;
    while let Some(first) = waiting.recv().await {
        let mut count = first.batch.events.len();
        let (mut batches, mut answers) = (vec![first.batch], vec![first.done]);
        while !alone && count < MANY {
            let Ok(next) = waiting.try_recv() else { break };
            count += next.batch.events.len();
            batches.push(next.batch);
            answers.push(next.done);
        }
        let store = store.clone();
        // A task of its own: a bug that panics in it must not end this one.
        let written =
            tokio::spawn(async move { store.ingest_all(&batches, Millis::now()).await }).await;
        let results = match written {
            Ok(Ok(done)) => {
                alone = false;
                done.into_iter().map(Ok).collect()
            }
            Ok(Err(error)) => failed(error, answers.len()),
            Err(panic) => {
                let why = Failure::new(FailureKind::Other, &panic.to_string());
                failed(StoreError::Unconfirmed(why), answers.len())
            }
        };
        alone |= results.iter().any(Result::is_err);
        for (answer, result) in answers.into_iter().zip(results) {
            // Who has gone sends the batch again, and is told that it is counted.
            let _ = answer.send(result);
        }
    }
}

/// One failure for each batch of a transaction.
fn failed(error: StoreError, batches: usize) -> Vec<Result<Ingested>> {
    let unconfirmed = matches!(error, StoreError::Unconfirmed(_));
    let failure = match error {
        StoreError::Unavailable(failure) | StoreError::Unconfirmed(failure) => failure,
        other => Failure::new(FailureKind::Other, &other.to_string()),
    };
    let error = || match unconfirmed {
        true => StoreError::Unconfirmed(failure.clone()),
        false => StoreError::Unavailable(failure.clone()),
    };
    (0..batches).map(|_| Err(error())).collect()
}
