//! Single events: whose they are, and each stored once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use sqlx::Row;

use crate::clock::Millis;
use crate::store::sql::Tx;
use crate::store::sql::bulk::Bulk;
use crate::store::{Priced, Result, StoreError, TokenCounts};

/// What booking needs to know of a key.
pub(super) struct KeyAccount {
    pub(super) team: String,
    /// Whose budgets a charge of it counts for.
    pub(super) lineage: String,
    /// Whether a charge may change that it is over a budget.
    pub(super) budgeted: bool,
}

/// The accounts of these keys; a key that is not there is not known.
pub(super) async fn accounts(
    tx: &mut Tx,
    keys: &BTreeSet<&str>,
) -> Result<BTreeMap<String, KeyAccount>> {
    static FIND: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "WITH asked (id) AS (VALUES",
            1,
            ") SELECT keys.id, team_id, lineage, budgeted FROM keys JOIN asked ON keys.id = asked.id",
        )
    });
    let keys: Vec<&str> = keys.iter().copied().collect();
    let mut found = BTreeMap::new();
    for (sql, part) in FIND.statements(tx, &keys) {
        let mut query = sqlx::query(sql);
        for key in part {
            query = query.bind(*key);
        }
        for row in query.fetch_all(&mut **tx).await? {
            let account = KeyAccount {
                team: row.try_get(1)?,
                lineage: row.try_get(2)?,
                budgeted: row.try_get::<i64, _>(3)? != 0,
            };
            found.insert(row.try_get(0)?, account);
        }
    }
    Ok(found)
}

/// An event that was not seen before in this transaction.
pub(super) struct Fresh<'a> {
    /// The number of its batch.
    pub(super) batch: usize,
    pub(super) priced: &'a Priced,
    pub(super) started: Millis,
    /// When it is booked: as it started, or now, where that day is closed.
    pub(super) booked: Millis,
}

impl Fresh<'_> {
    /// Whether it came when its day was closed.
    pub(super) fn is_late(&self) -> bool {
        self.started.day() < self.booked.day()
    }
}

/// Removes events.
pub(in crate::store::sql) async fn drop_events(tx: &mut Tx, ids: &[[u8; 16]]) -> Result<()> {
    static DROP: LazyLock<Bulk> =
        LazyLock::new(|| Bulk::new("DELETE FROM events WHERE id IN (VALUES", 1, ")"));
    for (sql, part) in DROP.statements(tx, ids) {
        let mut query = sqlx::query(sql);
        for id in part {
            query = query.bind(id.to_vec());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// A value of a column.
enum Value<'a> {
    Number(i64),
    Text(&'a str),
    Id(&'a [u8; 16]),
}

/// Gives a column's value: of an event that is stored now.
type ValueOf = for<'a> fn(&'a Fresh<'a>, Millis) -> Value<'a>;

/// The columns of an event besides its tokens, each with its value.
const COLUMNS: [(&str, ValueOf); 18] = [
    ("id", |e, _| Value::Id(&e.priced.event.id)),
    ("day", |e, _| Value::Number(e.booked.day())),
    ("started_at", |e, _| Value::Number(e.started.0)),
    ("received_at", |_, now| Value::Number(now.0)),
    ("team_id", |e, _| Value::Text(e.priced.event.team.as_str())),
    ("key_id", |e, _| Value::Text(e.priced.event.key.as_str())),
    ("tier", |e, _| Value::Text(e.priced.event.tier.as_str())),
    ("model", |e, _| {
        let model = e.priced.event.model.as_ref();
        Value::Text(model.map_or("", |m| m.as_str()))
    }),
    ("endpoint", |e, _| {
        Value::Text(e.priced.event.endpoint.as_str())
    }),
    ("decision", |e, _| {
        Value::Text(e.priced.event.decision.as_str())
    }),
    ("source", |e, _| {
        Value::Text(e.priced.event.usage.source().name())
    }),
    ("status", |e, _| Value::Number(e.priced.event.status.into())),
    ("duration_ms", |e, _| {
        Value::Number(e.priced.event.duration_ms.into())
    }),
    ("cost", |e, _| Value::Number(e.priced.cost)),
    ("priced_by", |e, _| Value::Text(e.priced.priced_by)),
    ("requests", |e, _| {
        Value::Number(e.priced.event.requests.into())
    }),
    ("request_id", |e, _| {
        Value::Text(e.priced.event.request_id.as_str())
    }),
    ("endpoint_group", |e, _| {
        Value::Text(e.priced.event.endpoint_group.as_str())
    }),
];

/// Stores events; gives the ids of those that are new.
pub(super) async fn insert_events(
    tx: &mut Tx,
    events: &[Fresh<'_>],
    now: Millis,
) -> Result<HashSet<[u8; 16]>> {
    static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
        let names = COLUMNS.iter().map(|(name, _)| *name);
        let columns: Vec<&str> = names.chain(TokenCounts::columns()).collect();
        Bulk::insert(
            "events",
            &columns,
            "ON CONFLICT (id) DO NOTHING RETURNING id",
        )
    });
    let mut new = HashSet::with_capacity(events.len());
    for (sql, part) in INSERT.statements(tx, events) {
        let mut query = sqlx::query(sql);
        for fresh in part {
            for (_, value) in &COLUMNS {
                query = match value(fresh, now) {
                    Value::Number(number) => query.bind(number),
                    Value::Text(text) => query.bind(text),
                    Value::Id(id) => query.bind(id.to_vec()),
                };
            }
            for count in TokenCounts::from(fresh.priced.event.usage.tokens()).values() {
                query = query.bind(count);
            }
        }
        for row in query.fetch_all(&mut **tx).await? {
            let id: Vec<u8> = row.try_get(0)?;
            new.insert(id.try_into().map_err(|_| StoreError::Corrupt("event id"))?);
        }
    }
    Ok(new)
}
