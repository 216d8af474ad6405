//! Sums of usage by the minute, the hour and the day: every query reads these, never single events. They are kept in the
//! transaction of the events that they sum, so that all three always agree.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::Row;

use crate::clock::{DAY_MINUTES, HOUR_MINUTES};
use crate::store::sql::bulk::Bulk;
use crate::store::sql::sums::{LARGEST, Slot, Sums};
use crate::store::sql::{Store, Tx};
use crate::store::{Result, Rollup};

/// For how many days longer than single events and minutes the hours are kept.
pub(super) const HOURS_BEYOND: i64 = 60;

/// How many minutes or hours one transaction drops.
const AT_ONCE: i64 = 60;

impl Rollup {
    /// Its table, and the column of its time.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Minutes => ("usage_minutely", "minute"),
            Self::Hours => ("usage_hourly", "hour"),
            Self::Days => ("usage_daily", "day"),
        }
    }

    /// How many minutes one of its rows sums.
    pub(super) fn minutes(self) -> i64 {
        match self {
            Self::Minutes => 1,
            Self::Hours => HOUR_MINUTES,
            Self::Days => DAY_MINUTES,
        }
    }
}

/// Adds to all sums.
pub(super) async fn add(tx: &mut Tx, slots: &BTreeMap<Slot<'_>, Sums>) -> Result<()> {
    static ADD: LazyLock<[(Rollup, Bulk); 3]> =
        LazyLock::new(|| [Rollup::Minutes, Rollup::Hours, Rollup::Days].map(|r| (r, adding(r))));
    for (rollup, bulk) in ADD.iter() {
        // A statement may not touch a row twice: what falls together is summed first.
        let mut rows: BTreeMap<Slot<'_>, Sums> = BTreeMap::new();
        for (slot, sums) in slots {
            let time = slot.minute.div_euclid(rollup.minutes());
            let row = Slot {
                minute: time,
                ..*slot
            };
            rows.entry(row).or_default().merge(sums);
        }
        let rows: Vec<_> = rows.iter().collect();
        for (sql, part) in bulk.statements(tx, &rows) {
            let mut query = sqlx::query(sql);
            for (slot, sums) in part {
                query = query
                    .bind(slot.minute)
                    .bind(slot.team)
                    .bind(slot.key)
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

fn adding(rollup: Rollup) -> Bulk {
    let (table, time) = rollup.names();
    // As they are bound above.
    let subject = [time, "team_id", "key_id", "model", "endpoint", "decision"];
    let sums: Vec<&str> = Sums::columns().collect();
    let columns = [&subject[..], &sums, &["last_used_at"]].concat();
    let adds: Vec<String> = sums
        .iter()
        .map(|c| {
            format!(
                "{c} = CASE WHEN {table}.{c} > {LARGEST} - excluded.{c} THEN {LARGEST}
                       ELSE {table}.{c} + excluded.{c} END"
            )
        })
        .collect();
    Bulk::insert(
        table,
        &columns,
        &format!(
            "ON CONFLICT ({}) DO UPDATE SET {}, last_used_at = CASE
                 WHEN excluded.last_used_at > {table}.last_used_at THEN excluded.last_used_at
                 ELSE {table}.last_used_at END",
            subject.join(", "),
            adds.join(", ")
        ),
    )
}

/// Drops the sums of minutes and hours that are no longer kept, once the days before `day` are closed, a part in each
/// transaction: others write in between. Those of days stay.
pub(in crate::store::sql) async fn prune(store: &Store, day: i64) -> Result<()> {
    for (rollup, from) in [(Rollup::Minutes, day), (Rollup::Hours, day - HOURS_BEYOND)] {
        let (table, time) = rollup.names();
        let per_day = DAY_MINUTES / rollup.minutes();
        let end = from.saturating_mul(per_day);
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
