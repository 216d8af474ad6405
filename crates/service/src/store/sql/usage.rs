//! Usage: taken in ([`ingest`], [`booking`], [`rollups`], [`key_days`]), asked for ([`reports`], [`spans`], [`leaders`]).

mod booking;
pub(super) mod counted;
pub(super) mod events;
mod ingest;
mod key_days;
mod leaders;
mod pools;
mod refusals;
mod reports;
pub(super) mod rollups;
mod spans;

use super::Store;
use crate::clock::Millis;
use crate::store::{Batch, Ingested, Result};

impl Store {
    /// Counts and charges events, each id once: several batches in one transaction. Gives what became of each batch. An import is in the
    /// audit log with what it came to.
    pub async fn ingest_all(&self, batches: &[Batch], now: Millis) -> Result<Vec<Ingested>> {
        let mut tx = self.begin().await?;
        let done = ingest::count(&mut tx, batches, now).await?;
        self.commit(tx).await?;
        Ok(done)
    }
}
