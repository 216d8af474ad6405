//! What teams have left, while their keys' usage is booked. All within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sqlx::Row;

use crate::clock::Millis;
use crate::money::MAX_BALANCE;
use crate::store::Result;
use crate::store::sql::Tx;
use crate::store::sql::bulk::Bulk;

/// A team's credit.
pub(super) struct Pool {
    balance: i64,
    prepaid: bool,
    exhausted: bool,
    /// The balance right after the last top-up, and when that was.
    since: Option<(i64, Millis)>,
}

impl Pool {
    /// Whether it is exhausted or not any more, and that is not written yet.
    pub(super) fn has_turned(&self) -> bool {
        self.exhausted != (self.prepaid && self.balance <= 0)
    }

    /// What alerts are measured by: the balance right after the last top-up, when that was, and the balance now. `None` for a
    /// team that may spend more than its credit.
    pub(super) fn used(&self) -> Option<((i64, Millis), i64)> {
        let since = self.since.filter(|_| self.prepaid)?;
        Some((since, self.balance))
    }

    /// Moves the balance, as far as it may go; gives by how much.
    pub(super) fn move_by(&mut self, amount: i64) -> i64 {
        let moved = if amount < 0 {
            amount.max((-MAX_BALANCE).saturating_sub(self.balance).min(0))
        } else {
            amount.min(MAX_BALANCE.saturating_sub(self.balance).max(0))
        };
        if moved != amount {
            tracing::error!(
                amount,
                "a charge would pass the largest balance; the rest of it is in daily sums only"
            );
        }
        self.balance = self.balance.saturating_add(moved);
        moved
    }
}

/// The credit of these teams.
pub(super) async fn pools(tx: &mut Tx, teams: &BTreeSet<&str>) -> Result<BTreeMap<String, Pool>> {
    static FIND: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "WITH charged (id) AS (VALUES",
            1,
            ") SELECT teams.id, balance, prepaid, exhausted, pool, pool_since FROM teams JOIN charged ON teams.id = charged.id",
        )
    });
    let teams: Vec<&str> = teams.iter().copied().collect();
    let mut found = BTreeMap::new();
    for (sql, part) in FIND.statements(tx, &teams) {
        let mut query = sqlx::query(sql);
        for team in part {
            query = query.bind(*team);
        }
        for row in query.fetch_all(&mut **tx).await? {
            let pool = Pool {
                balance: row.try_get(1)?,
                prepaid: row.try_get::<i64, _>(2)? != 0,
                exhausted: row.try_get::<i64, _>(3)? != 0,
                since: row
                    .try_get::<Option<i64>, _>(4)?
                    .zip(row.try_get::<Option<i64>, _>(5)?.map(Millis)),
            };
            found.insert(row.try_get(0)?, pool);
        }
    }
    Ok(found)
}
