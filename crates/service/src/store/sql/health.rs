//! Proof that the database works.

use super::Store;
use crate::clock::Millis;
use crate::store::{Failure, FailureKind, Result};

impl Store {
    /// Returns once a change was made durable after the call.
    pub async fn prove_write(&self, now: Millis) -> Result<()> {
        // Under load another writer's commit is the proof before this one has its turn.
        let mut committed = self.writer.committed();
        tokio::select! {
            Ok(()) = committed.changed() => Ok(()),
            done = self.write_proof(now) => done,
        }?;
        match self.writer.has_room() {
            true => Ok(()),
            false => Err(Failure::new(FailureKind::DiskFull, "there is no room for more").into()),
        }
    }

    /// Reads something.
    pub async fn prove_read(&self) -> Result<()> {
        self.head().await.map(|_| ())
    }

    /// Waits for the change that is under way and ends all connections. Reads fail from then on.
    pub async fn close(&self) -> Result<()> {
        // SQLite writes its log back into the file when the last connection is closed.
        self.readers.close().await;
        self.writer.close().await?;
        Ok(())
    }
}

impl Store {
    async fn write_proof(&self, now: Millis) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE meta SET proved_at = $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}
