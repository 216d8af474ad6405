//! Single events: whose they are, and each stored once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use sqlx::Row;

use crate::clock::Millis;
use crate::store::sql::bulk::Bulk;
use crate::store::sql::{Tx, signed};
use crate::store::{Priced, Result, StoreError};

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

/// Stores events; gives the ids of those that are new.
pub(super) async fn insert_events(
    tx: &mut Tx,
    events: &[Fresh<'_>],
    now: Millis,
) -> Result<HashSet<[u8; 16]>> {
    static INSERT: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "INSERT INTO events (id, day, started_at, received_at, team_id, key_id, tier, model, endpoint, decision,
                 source, status, duration_ms, input, cached_input, cache_write, audio_input, output, reasoning,
                 audio_output, total, cost, priced_by, requests, request_id, endpoint_group) VALUES",
            26,
            "ON CONFLICT (id) DO NOTHING RETURNING id",
        )
    });
    let mut new = HashSet::with_capacity(events.len());
    for (sql, part) in INSERT.statements(tx, events) {
        let mut query = sqlx::query(sql);
        for Fresh {
            priced,
            started,
            booked,
            ..
        } in part
        {
            let (event, t) = (&priced.event, priced.event.usage.tokens());
            query = query
                .bind(event.id.to_vec())
                .bind(booked.day())
                .bind(started.0)
                .bind(now.0)
                .bind(event.team.as_str())
                .bind(event.key.as_str())
                .bind(event.tier.as_str())
                .bind(event.model.as_ref().map_or("", |m| m.as_str()))
                .bind(event.endpoint.as_str())
                .bind(event.decision.as_str())
                .bind(event.usage.source())
                .bind(i64::from(event.status))
                .bind(i64::from(event.duration_ms))
                .bind(signed(t.input))
                .bind(signed(t.cached_input))
                .bind(signed(t.cache_write))
                .bind(signed(t.audio_input))
                .bind(signed(t.output))
                .bind(signed(t.reasoning))
                .bind(signed(t.audio_output))
                .bind(signed(t.billable_total()))
                .bind(priced.cost)
                .bind(priced.priced_by)
                .bind(i64::from(event.requests))
                .bind(event.request_id.as_str())
                .bind(event.endpoint_group.as_str());
        }
        for row in query.fetch_all(&mut **tx).await? {
            let id: Vec<u8> = row.try_get(0)?;
            new.insert(id.try_into().map_err(|_| StoreError::Corrupt("event id"))?);
        }
    }
    Ok(new)
}
