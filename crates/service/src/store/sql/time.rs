//! The proven time, and what closes and goes with it.

use async_trait::async_trait;
use sqlx::Row;

use super::SqlStore;
use super::budgets::judge_budget;
use super::usage::{counted, events, rollups};
use crate::clock::Millis;
use crate::store::{Budgeted, Result, StoreError, TimeStore};

/// How many events or keys one transaction takes: others write in between.
const AT_ONCE: i64 = 2_000;
const KEYS_AT_ONCE: usize = 200;

#[async_trait]
impl TimeStore for SqlStore {
    async fn proven(&self) -> Result<Option<Millis>> {
        let row = sqlx::query("SELECT proven_at FROM meta")
            .fetch_one(&self.readers)
            .await?;
        let at: i64 = row.try_get(0)?;
        Ok((at != 0).then_some(Millis(at)))
    }

    async fn prove(&self, was: Option<Millis>, to: Millis) -> Result<bool> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("UPDATE meta SET proven_at = $1 WHERE proven_at = $2")
            .bind(to.0)
            .bind(was.map_or(0, |was| was.0))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn judge_budgets(&self, which: Budgeted, now: Millis) -> Result<u64> {
        let found = sqlx::query(match which {
            Budgeted::Spent => {
                "SELECT id FROM keys WHERE over_budget = 1 OR over_soft_budget = 1 OR spent_models IS NOT NULL"
            }
            Budgeted::All => {
                "SELECT id FROM keys WHERE budgeted = 1 OR over_budget = 1 OR over_soft_budget = 1 OR spent_models IS NOT NULL"
            }
        })
        .fetch_all(&self.readers)
        .await?;
        let mut changed = 0;
        for part in found.chunks(KEYS_AT_ONCE) {
            let mut tx = self.begin().await?;
            for row in part {
                let id: String = row.try_get(0)?;
                changed += u64::from(judge_budget(&mut tx, &id, now).await?);
            }
            self.commit(tx).await?;
        }
        Ok(changed)
    }

    async fn close_days_before(&self, day: i64) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE meta SET closed_before_day = $1 WHERE closed_before_day < $1")
                .bind(day)
                .execute(&mut *tx)
                .await?;
            // Which ones does not matter, but that those that are kept are those that go.
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

    async fn forget(&self, before: Millis) -> Result<()> {
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
