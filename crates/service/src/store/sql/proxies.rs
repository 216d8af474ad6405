//! Proxies, what each has applied, and what it tells of itself.

use super::{Store, rows, signed};
use crate::clock::Millis;
use crate::store::{Head, Proxy, ProxyTold, Result};

impl Store {
    /// Notes what a proxy has applied and tells of itself. What it does not tell stays as it was.
    pub async fn report(
        &self,
        proxy: &str,
        applied: Head,
        told: &ProxyTold,
        now: Millis,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO proxies (id, epoch, version, seen_at, filter, held, tiers) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE
             SET epoch = excluded.epoch, seen_at = excluded.seen_at, version = CASE WHEN proxies.epoch = excluded.epoch
                 AND proxies.version > excluded.version THEN proxies.version ELSE excluded.version END,
               filter = COALESCE(excluded.filter, proxies.filter), held = COALESCE(excluded.held, proxies.held),
               tiers = COALESCE(excluded.tiers, proxies.tiers)",
        )
        .bind(proxy)
        .bind(signed(applied.epoch))
        .bind(signed(applied.version))
        .bind(now.0)
        .bind(told.filter.clone())
        .bind(told.held.map(signed))
        .bind(rows::optional_json(told.tiers.as_ref())?)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Every proxy that reported since `since`, by name.
    pub async fn proxies(&self, since: Millis) -> Result<Vec<Proxy>> {
        let found = sqlx::query("SELECT * FROM proxies WHERE seen_at >= $1 ORDER BY id")
            .bind(since.0)
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::proxy).collect()
    }
}
