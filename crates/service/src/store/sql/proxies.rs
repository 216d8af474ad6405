//! Proxies, and the version that each has applied.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::changes::head;
use super::{Store, signed};
use crate::clock::Millis;
use crate::store::{Head, Proxy, Result};

impl Store {
    /// Notes what a proxy has applied.
    pub async fn report(&self, proxy: &str, applied: Head, now: Millis) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO proxies (id, epoch, version, seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
             SET epoch = excluded.epoch, seen_at = excluded.seen_at, version = CASE WHEN proxies.epoch = excluded.epoch
                 AND proxies.version > excluded.version THEN proxies.version ELSE excluded.version END",
        )
        .bind(proxy)
        .bind(signed(applied.epoch))
        .bind(signed(applied.version))
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every proxy that reported since `since`.
    pub async fn proxies(&self, since: Millis) -> Result<Vec<Proxy>> {
        let found = sqlx::query("SELECT * FROM proxies WHERE seen_at >= $1 ORDER BY id")
            .bind(since.0)
            .fetch_all(&self.readers)
            .await?;
        let proxy = |row: &AnyRow| {
            Ok(Proxy {
                id: row.try_get("id")?,
                applied: head(row)?,
                seen_at: Millis(row.try_get("seen_at")?),
            })
        };
        found.iter().map(proxy).collect()
    }
}
