//! Booking new events: summed by time, charged as one ledger row a key and transaction, and judged against credit and
//! budgets. All within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use gmtech_core::usage::Usage;

use super::budgets::judge_budget;
use super::bulk::Bulk;
use super::events::KeyAccount;
use super::pools::pools;
use super::rollups::{self, Slot};
use super::teams::judge_credit;
use super::{Tx, signed};
use crate::clock::Millis;
use crate::store::{Priced, Result};

/// The columns of sums, in the order of [`Sums`].
pub(super) const SUMS: [&str; 11] = [
    "requests",
    "input",
    "cached_input",
    "cache_write",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
    "total",
    "not_exact",
    "cost",
];

/// The largest that a sum becomes; two of them can still be added.
pub(super) const LARGEST: i64 = 4_000_000_000_000_000_000;

/// The sum of a column over any rows, as a `BIGINT`: exact up to 8·10¹⁸ either way, and that beyond it. A plain `SUM`
/// fails where the result does not fit, and with it whoever asks.
pub(crate) fn sum_of(column: &str) -> String {
    let (high, low) = (
        format!("SUM({column} / 1000000000)"),
        format!("SUM({column} % 1000000000)"),
    );
    format!(
        "CAST(CASE WHEN {high} >= 8000000000 THEN 8000000000000000000
                   WHEN {high} <= -8000000000 THEN -8000000000000000000
                   ELSE {high} * 1000000000 + {low} END AS BIGINT)"
    )
}

#[derive(Default)]
pub(super) struct Sums {
    columns: [i64; 11],
    last_used: i64,
}

impl Sums {
    /// Of these columns.
    pub(super) fn of(columns: [i64; 11], last_used: Millis) -> Self {
        Self {
            columns,
            last_used: last_used.0,
        }
    }

    /// What an event adds, besides its requests.
    pub(super) fn columns_of(priced: &Priced) -> [i64; 10] {
        let t = priced.event.usage.tokens();
        let exact = matches!(priced.event.usage, Usage::Exact(_));
        [
            signed(t.input),
            signed(t.cached_input),
            signed(t.cache_write),
            signed(t.audio_input),
            signed(t.output),
            signed(t.reasoning),
            signed(t.audio_output),
            signed(t.billable_total()),
            if exact {
                0
            } else {
                i64::from(priced.event.requests)
            },
            priced.cost,
        ]
    }

    pub(super) fn add(&mut self, priced: &Priced, started: Millis) {
        let row = std::iter::once(i64::from(priced.event.requests)).chain(Self::columns_of(priced));
        for (sum, value) in self.columns.iter_mut().zip(row) {
            *sum = sum.saturating_add(value);
        }
        self.last_used = self.last_used.max(started.0);
    }

    /// Adds other sums.
    pub(super) fn merge(&mut self, other: &Self) {
        for (sum, value) in self.columns.iter_mut().zip(other.columns) {
            *sum = sum.saturating_add(value);
        }
        self.last_used = self.last_used.max(other.last_used);
    }

    /// Its columns, in the order of [`SUMS`].
    pub(super) fn columns(&self) -> [i64; 11] {
        self.columns
    }

    /// The start of the last request in it.
    pub(super) fn last_used(&self) -> i64 {
        self.last_used
    }

    fn requests(&self) -> i64 {
        self.columns.first().copied().unwrap_or(0)
    }

    fn cost(&self) -> i64 {
        self.columns.last().copied().unwrap_or(0)
    }
}

/// What one key's new events come to.
#[derive(Default)]
struct Charge {
    cost: i64,
    /// What the ledger gets for it.
    amount: i64,
    /// Requests that cost something.
    requests: i64,
    last_used: i64,
}

/// Books the sums of new events: by time, as one charge a key in the ledger, and in what the proxies learn.
pub(super) async fn charge(
    tx: &mut Tx,
    slots: &BTreeMap<Slot<'_>, Sums>,
    accounts: &BTreeMap<String, KeyAccount>,
    now: Millis,
) -> Result<()> {
    let mut charges: BTreeMap<(&str, &str), Charge> = BTreeMap::new();
    for (slot, sums) in slots {
        let charge = charges.entry((slot.team, slot.key)).or_default();
        charge.cost = charge.cost.saturating_add(sums.cost());
        if sums.cost() > 0 {
            charge.requests = charge.requests.saturating_add(sums.requests());
        }
        charge.last_used = charge.last_used.max(sums.last_used);
    }
    let mut charges: Vec<_> = charges.into_iter().collect();
    rollups::add(tx, slots).await?;
    note_use(tx, &charges).await?;
    charges.retain(|(_, c)| c.cost != 0);
    let teams: BTreeSet<&str> = charges.iter().map(|((team, _), _)| *team).collect();
    let mut pools = pools(tx, &teams).await?;
    for ((team, _), charge) in &mut charges {
        if let Some(pool) = pools.get_mut(*team) {
            charge.amount = pool.move_by(charge.cost.saturating_neg());
        }
    }
    add_to_ledger(tx, &charges, now).await?;
    let mut judged = BTreeSet::new();
    for ((_, key), _) in &charges {
        if let Some(account) = accounts.get(*key).filter(|a| a.budgeted)
            && judged.insert(&*account.lineage)
        {
            judge_budget(tx, key, now).await?;
        }
    }
    for (team, pool) in &pools {
        if pool.has_turned() {
            judge_credit(tx, team).await?;
        }
    }
    Ok(())
}

async fn note_use(tx: &mut Tx, charges: &[((&str, &str), Charge)]) -> Result<()> {
    static NOTE: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "WITH used (id, at) AS (VALUES",
            2,
            ") UPDATE keys SET last_used_at = used.at FROM used
               WHERE keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)",
        )
    });
    for (sql, part) in NOTE.statements(tx, charges) {
        let mut query = sqlx::query(sql);
        for ((_, key), charge) in part {
            query = query.bind(*key).bind(charge.last_used);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn add_to_ledger(tx: &mut Tx, charges: &[((&str, &str), Charge)], now: Millis) -> Result<()> {
    static ADD: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "INSERT INTO ledger (at, team_id, kind, amount, key_id, events, actor) VALUES",
            7,
            "",
        )
    });
    let charges: Vec<_> = charges.iter().filter(|(_, c)| c.amount != 0).collect();
    for (sql, part) in ADD.statements(tx, &charges) {
        let mut query = sqlx::query(sql);
        for ((team, key), charge) in part {
            query = query
                .bind(now.0)
                .bind(*team)
                // Work that finished elsewhere can have cost less than it had been charged.
                .bind(if charge.amount < 0 {
                    "charge"
                } else {
                    "adjustment"
                })
                .bind(charge.amount)
                .bind(*key)
                .bind(charge.requests)
                .bind("usage");
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
