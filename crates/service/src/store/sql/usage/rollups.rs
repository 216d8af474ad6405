//! Sums of usage by the minute, the hour and the day: every query reads these, never single events. They are kept in the
//! transaction of the events that they sum, so that all of them always agree.
//!
//! Hours and days are summed twice: for each key, and for the team without its keys. A team can have hundreds of thousands
//! of keys, and what shows the team as a whole must not read each of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::Row;

use crate::clock::{DAY_MINUTES, HOUR_MINUTES};
use crate::store::sql::bulk::Bulk;
use crate::store::sql::sums::{Slot, Sums, grown, later_use};
use crate::store::sql::{Store, Tx};
use crate::store::{Dimension, Result, Rollup, UsageQuery};

/// For how many days longer than single events and minutes the hours are kept.
pub(super) const HOURS_BEYOND: i64 = 60;

/// How many minutes or hours one transaction drops.
const AT_ONCE: i64 = 60;

impl Rollup {
    /// How many minutes one of its rows sums.
    pub(super) fn minutes(self) -> i64 {
        match self {
            Self::Minutes => 1,
            Self::Hours => HOUR_MINUTES,
            Self::Days => DAY_MINUTES,
        }
    }
}

/// A table of sums.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The column of its time.
    pub(super) time: &'static str,
    rollup: Rollup,
    /// Whether its rows tell keys apart.
    keyed: bool,
}

const TABLES: [Table; 5] = [
    table("usage_minutely", "minute", Rollup::Minutes, true),
    table("usage_hourly", "hour", Rollup::Hours, true),
    table("usage_daily", "day", Rollup::Days, true),
    table("usage_team_hourly", "hour", Rollup::Hours, false),
    table("usage_team_daily", "day", Rollup::Days, false),
];

const fn table(name: &'static str, time: &'static str, rollup: Rollup, keyed: bool) -> Table {
    Table {
        name,
        time,
        rollup,
        keyed,
    }
}

impl Table {
    /// The smallest that answers the query.
    pub(super) fn of(query: &UsageQuery) -> Self {
        use Dimension::{Key, Owner, Tag};
        let keyed = [Key, Owner, Tag].into_iter().any(|d| query.uses(d));
        let [mut best, others @ ..] = TABLES;
        for table in others {
            if table.rollup == query.source && (table.keyed || !keyed) {
                best = table;
            }
        }
        best
    }

    /// The columns that say what a row is the sum of, as [`add`] binds them.
    fn subject(&self) -> Vec<&'static str> {
        let key = self.keyed.then_some("key_id");
        [self.time, "team_id"]
            .into_iter()
            .chain(key)
            .chain(["model", "endpoint", "decision"])
            .collect()
    }

    /// The row in which a slot counts.
    fn row<'a>(&self, slot: &Slot<'a>) -> Slot<'a> {
        Slot {
            minute: slot.minute.div_euclid(self.rollup.minutes()),
            key: if self.keyed { slot.key } else { "" },
            ..*slot
        }
    }
}

/// Adds to all sums.
pub(super) async fn add(tx: &mut Tx, slots: &BTreeMap<Slot<'_>, Sums>) -> Result<()> {
    static ADD: LazyLock<[(Table, Bulk); 5]> =
        LazyLock::new(|| TABLES.map(|table| (table, adding(&table))));
    for (table, bulk) in ADD.iter() {
        // A statement may not touch a row twice: what falls together is summed first.
        let mut rows: BTreeMap<Slot<'_>, Sums> = BTreeMap::new();
        for (slot, sums) in slots {
            rows.entry(table.row(slot)).or_default().merge(sums);
        }
        let rows: Vec<_> = rows.iter().collect();
        for (sql, part) in bulk.statements(tx, &rows) {
            let mut query = sqlx::query(sql);
            for (slot, sums) in part {
                query = query.bind(slot.minute).bind(slot.team);
                if table.keyed {
                    query = query.bind(slot.key);
                }
                query = query
                    .bind(slot.model)
                    .bind(slot.endpoint)
                    .bind(slot.decision);
                for value in sums.values() {
                    query = query.bind(value);
                }
                query = query.bind(sums.last_used);
            }
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

fn adding(table: &Table) -> Bulk {
    let (name, subject) = (table.name, table.subject());
    let sums: Vec<&str> = Sums::columns().collect();
    let columns = [&subject[..], &sums, &["last_used_at"]].concat();
    let adds: Vec<String> = sums.iter().map(|column| grown(name, column)).collect();
    Bulk::insert(
        name,
        &columns,
        &format!(
            "ON CONFLICT ({}) DO UPDATE SET {}, {}",
            subject.join(", "),
            adds.join(", "),
            later_use(name)
        ),
    )
}

/// Drops the sums of minutes and hours that are no longer kept, once the days before `day` are closed, a part in each
/// transaction: others write in between. Those of days stay.
pub(in crate::store::sql) async fn prune(store: &Store, day: i64) -> Result<()> {
    for Table {
        name: table,
        time,
        rollup,
        ..
    } in TABLES
    {
        let from = match rollup {
            Rollup::Minutes => day,
            Rollup::Hours => day - HOURS_BEYOND,
            Rollup::Days => continue,
        };
        let end = from.saturating_mul(DAY_MINUTES / rollup.minutes());
        loop {
            let mut tx = store.begin().await?;
            let first = format!("SELECT MIN({time}) FROM {table} WHERE {time} < $1");
            let first: Option<i64> = sqlx::query(&first)
                .bind(end)
                .fetch_one(&mut *tx)
                .await?
                .try_get(0)?;
            let Some(first) = first else { break };
            sqlx::query(&format!("DELETE FROM {table} WHERE {time} < $1"))
                .bind(first.saturating_add(AT_ONCE).min(end))
                .execute(&mut *tx)
                .await?;
            store.commit(tx).await?;
        }
    }
    Ok(())
}
