//! What each key was used for by the day, whatever models, endpoints and decisions: one row for each day of a key.
//!
//! A list of keys shows thirty days of each. In the sums that tell models and decisions apart that is up to some thousand rows
//! a page, and each is found by way of an index; here it is one row a day, and those of a key stand together. They are
//! kept in the transaction of the events that they sum, as all sums are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gmtech_core::ident::{KeyId, TeamId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::reports::{Statement, Value, refuses};
use crate::clock::Millis;
use crate::store::sql::bulk::Bulk;
use crate::store::sql::sums::{LARGEST, Slot, Sums, day_of, grown, later_use};
use crate::store::sql::{Store, Tx};
use crate::store::{Dimension, KeyDay, Result, Rollup, StoreError, UsageQuery};

/// What is summed, in the order of [`Day::values`].
pub(super) const SUMS: [&str; 4] = ["requests", "refused", "total", "cost"];

/// The team, the key and the UTC day.
type Place<'a> = (&'a str, &'a str, i64);

/// What one row gets.
#[derive(Default)]
struct Day {
    all: Sums,
    refused: i64,
}

impl Day {
    fn values(&self) -> [i64; SUMS.len()] {
        let all = &self.all;
        [all.requests, self.refused, all.tokens(), all.cost()]
            .map(|value| value.clamp(-LARGEST, LARGEST))
    }
}

/// Adds to the days of keys.
pub(super) async fn add(tx: &mut Tx, slots: &BTreeMap<Slot<'_>, Sums>) -> Result<()> {
    static ADD: LazyLock<Bulk> = LazyLock::new(adding);
    let mut days: BTreeMap<Place<'_>, Day> = BTreeMap::new();
    for (slot, sums) in slots {
        let place = (slot.team, slot.key, day_of(slot.minute));
        let day = days.entry(place).or_default();
        day.all.merge(sums);
        if refuses(slot.decision) {
            day.refused = day.refused.saturating_add(sums.requests);
        }
    }
    let days: Vec<_> = days.iter().collect();
    for (sql, part) in ADD.statements(tx, &days) {
        let mut query = sqlx::query(sql);
        for ((team, key, at), day) in part {
            query = query.bind(*team).bind(*key).bind(*at);
            for value in day.values() {
                query = query.bind(value);
            }
            query = query.bind(day.all.last_used);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

fn adding() -> Bulk {
    const TABLE: &str = "usage_key_daily";
    let adds = SUMS.map(|sum| grown(TABLE, sum));
    let place = ["team_id", "key_id", "day"];
    Bulk::insert(
        TABLE,
        &[&place[..], &SUMS, &["last_used_at"]].concat(),
        &format!(
            "ON CONFLICT ({}) DO UPDATE SET {}, {}",
            place.join(", "),
            adds.join(", "),
            later_use(TABLE)
        ),
    )
}

/// The rows that a query is about, as `u`, if it tells the keys of one team apart by whole days and asks for nothing else.
pub(super) fn of_team(query: &UsageQuery, statement: &mut Statement) -> Option<String> {
    let only: Vec<_> = query.only.iter().collect();
    let ([(Dimension::Team, team)], [Dimension::Key]) = (&only[..], &query.by[..]) else {
        return None;
    };
    if query.source != Rollup::Days || !query.among.is_empty() || !query.except.is_empty() {
        return None;
    }
    let team = statement.text(team);
    let mut rows = format!("FROM usage_key_daily u WHERE u.team_id = {team}");
    for (is, minute) in [(">=", query.from), ("<", query.to)] {
        if let Some(minute) = minute {
            let day = statement.bind(Value::Number(day_of(minute)));
            rows.push_str(&format!(" AND u.day {is} {day}"));
        }
    }
    Some(rows)
}

impl Store {
    /// What these keys of a team were used for from one UTC day up to another, which does not belong to it: a row for each day
    /// on which a key was used, in no order. At most some hundred keys at once.
    pub async fn days_of_keys(
        &self,
        team: &TeamId,
        keys: &[KeyId],
        (from, to): (i64, i64),
    ) -> Result<Vec<KeyDay>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = Statement::default();
        let sql = select(&mut statement, team, keys, (from, to));
        let found = statement.query(&sql).fetch_all(&self.readers).await?;
        let days = found.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(days.into_iter().flatten().collect())
    }
}

fn select(
    statement: &mut Statement,
    team: &TeamId,
    keys: &[KeyId],
    (from, to): (i64, i64),
) -> String {
    let team = statement.text(team.as_str());
    let keys = statement.texts(keys.iter().map(KeyId::as_str));
    let from = statement.bind(Value::Number(from));
    let to = statement.bind(Value::Number(to));
    // A row for each key: each row costs more on its way than what is in it.
    let columns = [
        "day",
        "requests",
        "refused",
        "total",
        "cost",
        "last_used_at",
    ]
    .join(" || ' ' || ");
    format!(
        "SELECT key_id, string_agg({columns}, ',') FROM usage_key_daily
         WHERE team_id = {team} AND key_id IN ({keys}) AND day >= {from} AND day < {to} GROUP BY key_id"
    )
}

/// The days of one key.
fn read(row: &AnyRow) -> Result<Vec<KeyDay>> {
    let (key, days): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    days.split(',').map(|day| read_day(&key, day)).collect()
}

fn read_day(key: &str, text: &str) -> Result<KeyDay> {
    const BROKEN: StoreError = StoreError::Corrupt("usage of a key");
    let mut numbers = text.split(' ').map(str::parse);
    let mut next = || {
        numbers
            .next()
            .and_then(std::result::Result::ok)
            .ok_or(BROKEN)
    };
    Ok(KeyDay {
        key: key.to_owned(),
        day: next()?,
        requests: next()?,
        refused: next()?,
        tokens: next()?,
        cost: next()?,
        last_used_at: Millis(next()?),
    })
}
