//! The proven time, and the days and old rows that are closed and dropped by it.

use sqlx::Row;

use super::Store;
use super::usage::{counted, events, rollups};
use crate::clock::Millis;
use crate::store::{Result, StoreError};

/// How many events one transaction takes: others write in between.
const AT_ONCE: i64 = 2_000;

impl Store {
    /// The proven time; `None` before there was one.
    pub async fn proven(&self) -> Result<Option<Millis>> {
        let row = sqlx::query("SELECT proven_at FROM meta")
            .fetch_one(&self.readers)
            .await?;
        let at: i64 = row.try_get(0)?;
        Ok((at != 0).then_some(Millis(at)))
    }

    /// Sets the proven time to `to` if it still is `was`; whether it was.
    pub async fn prove(&self, was: Option<Millis>, to: Millis) -> Result<bool> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("UPDATE meta SET proven_at = $1 WHERE proven_at = $2")
            .bind(to.0)
            .bind(was.map_or(0, |was| was.0))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Closes the days before `day`, so that their sums do not change any more, and drops their raw events, of which
    /// the ids are kept; gives how many were dropped.
    pub async fn close_days_before(&self, day: i64) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE meta SET closed_before_day = $1 WHERE closed_before_day < $1")
                .bind(day)
                .execute(&mut *tx)
                .await?;
            // Any will do, but the ids that are kept must be those of the events that are dropped.
            let found = sqlx::query("SELECT id FROM events WHERE day < $1 LIMIT $2")
                .bind(day)
                .bind(AT_ONCE)
                .fetch_all(&mut *tx)
                .await?;
            let mut ids = Vec::with_capacity(found.len());
            for row in &found {
                let id: Vec<u8> = row.try_get(0)?;
                ids.push(id.try_into().map_err(|_| StoreError::Corrupt("event id"))?);
            }
            counted::keep(&mut tx, &ids).await?;
            events::drop_events(&mut tx, &ids).await?;
            self.commit(tx).await?;
            dropped += u64::try_from(ids.len()).unwrap_or(u64::MAX);
            if ids.is_empty() {
                rollups::prune(self, day).await?;
                return Ok(dropped);
            }
        }
    }

    /// Drops what only matters for a while: idempotency tokens and proxies of before `before`.
    pub async fn forget(&self, before: Millis) -> Result<()> {
        let mut tx = self.begin().await?;
        for statement in [
            "DELETE FROM idempotency WHERE created_at < $1",
            "DELETE FROM proxies WHERE seen_at < $1",
        ] {
            sqlx::query(statement)
                .bind(before.0)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
