//! Prices: what was charged by the fallback, by day and model. It is added in the transaction that books the events.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::Row;

use super::bulk::Bulk;
use super::sums::{grown, sum_of};
use super::{Store, Tx};
use crate::store::{FallbackCharge, Result};

/// The most models that are listed.
const MOST: u32 = 100;

/// What is added for a day and a model: requests, and nano-dollars.
pub(super) type Charged<'a> = BTreeMap<(i64, &'a str), (i64, i64)>;

/// Adds what was charged by the fallback.
pub(super) async fn add(tx: &mut Tx, charged: &Charged<'_>) -> Result<()> {
    static ADD: LazyLock<Bulk> = LazyLock::new(|| {
        const TABLE: &str = "fallback_daily";
        let tail = format!(
            "ON CONFLICT (day, model) DO UPDATE SET {}, {}",
            grown(TABLE, "requests"),
            grown(TABLE, "cost")
        );
        Bulk::insert(TABLE, &["day", "model", "requests", "cost"], &tail)
    });
    let rows: Vec<_> = charged.iter().collect();
    for (sql, part) in ADD.statements(tx, &rows) {
        let mut query = sqlx::query(sql);
        for ((day, model), (requests, cost)) in part {
            query = query.bind(*day).bind(*model).bind(*requests).bind(*cost);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

impl Store {
    /// What was charged by the fallback from this UTC day on, by model, the dearest first; at most 100.
    pub async fn charged_by_fallback(&self, from_day: i64) -> Result<Vec<FallbackCharge>> {
        let sql = format!(
            "SELECT model, {} AS requests, {} AS cost, MAX(day) AS last_day FROM fallback_daily
             WHERE day >= $1 GROUP BY model ORDER BY 3 DESC, 1 LIMIT {MOST}",
            sum_of("requests"),
            sum_of("cost")
        );
        let found = sqlx::query(&sql)
            .bind(from_day)
            .fetch_all(&self.readers)
            .await?;
        let charge = |row: &sqlx::any::AnyRow| {
            Ok(FallbackCharge {
                model: row.try_get("model")?,
                requests: row.try_get("requests")?,
                cost_nano_usd: row.try_get("cost")?,
                last_day: row.try_get("last_day")?,
            })
        };
        found.iter().map(charge).collect()
    }
}
