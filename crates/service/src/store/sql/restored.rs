//! The database's place in its history, and the changes that a restore has lost.

use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Dialect, Store, Tx, note, unsigned};
use crate::clock::Millis;
use crate::store::{By, Change, Place, Restored, Result};

impl Store {
    /// The present place.
    pub async fn place(&self) -> Result<Place> {
        let row = sqlx::query(
            "SELECT epoch, version, (SELECT COALESCE(MAX(seq), 0) FROM audit) AS seq FROM meta",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(Place {
            epoch: unsigned(row.try_get("epoch")?)?,
            version: unsigned(row.try_get("version")?)?,
            seq: row.try_get("seq")?,
        })
    }

    /// Brings what is in a write-ahead log into the database's file; gives the number that the file has now and that no
    /// earlier copy of it has. `None` where there is no such file, or readers keep it from being done.
    pub async fn checkpoint(&self) -> Result<Option<i64>> {
        if self.writer.dialect() != Dialect::Sqlite {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let row = sqlx::query("UPDATE meta SET beat = beat + 1 RETURNING beat")
            .fetch_one(&mut *tx)
            .await?;
        let beat = row.try_get(0)?;
        tx.commit().await?;
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_one(&self.readers)
            .await?;
        let (busy, of, done): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // All of the log is in the file, and the file on the disk.
        Ok((busy == 0 && of == done).then_some(beat))
    }

    /// The lost changes that were not acknowledged, in the order in which they were made.
    pub async fn restored(&self) -> Result<Vec<Restored>> {
        let found = sqlx::query("SELECT * FROM restored ORDER BY seq")
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(restored).collect()
    }

    /// Acknowledges all lost changes; gives how many there were.
    pub async fn acknowledge(&self, by: &By) -> Result<u64> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("DELETE FROM restored")
            .execute(&mut *tx)
            .await?;
        let count = done.rows_affected();
        if count > 0 {
            let detail = json!({"changes": count});
            note(
                &mut tx,
                by,
                "restored.acknowledge",
                "restored",
                None,
                detail,
            )
            .await?;
        }
        self.commit(tx).await?;
        Ok(count)
    }
}

/// Stores the changes that a database lacks.
pub(super) async fn keep(tx: &mut Tx, lost: &[Change], now: Millis) -> Result<()> {
    for change in lost {
        sqlx::query(
            "INSERT INTO restored (at, actor, action, subject, team_id, amount, found_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(change.at)
        .bind(&*change.actor)
        .bind(&*change.action)
        .bind(&*change.subject)
        .bind(change.team.clone())
        .bind(change.amount)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

fn restored(row: &AnyRow) -> Result<Restored> {
    Ok(Restored {
        change: Change {
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            subject: row.try_get("subject")?,
            team: row.try_get("team_id")?,
            amount: row.try_get("amount")?,
        },
        found_at: Millis(row.try_get("found_at")?),
    })
}
