//! Booking new events: each stored once, summed by day, charged as one ledger row a key and batch, and judged
//! against credit and budgets. All within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};

use gmtech_core::usage::Usage;
use sqlx::Row;

use super::teams::judge_credit;
use super::{Tx, keys, signed};
use crate::clock::{Millis, month_start};
use crate::store::{KeyInfo, Priced, Result, StoreError};

/// What one row of daily sums is for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day<'a> {
    pub(super) team: &'a str,
    pub(super) key: &'a str,
    pub(super) day: i64,
    pub(super) model: &'a str,
    pub(super) decision: &'a str,
}

/// The columns of daily sums, in the order of [`Sums`].
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
            i64::from(!exact),
            priced.cost,
        ]
    }

    pub(super) fn add(&mut self, priced: &Priced, started: Millis) {
        let row = std::iter::once(1).chain(Self::columns_of(priced));
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

    fn cost(&self) -> i64 {
        self.columns.last().copied().unwrap_or(0)
    }
}

pub(super) async fn team_of(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT team_id FROM keys WHERE id = $1")
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether the event is new.
pub(super) async fn insert_event(
    tx: &mut Tx,
    priced: &Priced,
    started: Millis,
    now: Millis,
) -> Result<bool> {
    let (event, t) = (&priced.event, priced.event.usage.tokens());
    let done = sqlx::query(
        "INSERT INTO events (id, day, started_at, received_at, team_id, key_id, tier, model, endpoint, decision, source,
             status, duration_ms, input, cached_input, cache_write, audio_input, output, reasoning, audio_output, total,
             cost, priced_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(event.id.to_vec())
    .bind(started.day())
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
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Books the sums of new events: by day, as one charge a key in the ledger, and in what the proxies learn.
pub(super) async fn charge(tx: &mut Tx, days: &BTreeMap<Day<'_>, Sums>, now: Millis) -> Result<()> {
    let mut keys: BTreeMap<(&str, &str), (i64, i64, i64)> = BTreeMap::new();
    for (day, sums) in days {
        add_to_day(tx, day, sums).await?;
        let key = keys.entry((day.team, day.key)).or_default();
        key.0 = key.0.saturating_add(sums.cost());
        key.1 += sums.columns.first().copied().unwrap_or(0);
        key.2 = key.2.max(sums.last_used);
    }
    let mut charged = BTreeSet::new();
    for ((team, key), (cost, events, last_used)) in keys {
        sqlx::query("UPDATE keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)")
            .bind(last_used)
            .bind(key)
            .execute(&mut **tx)
            .await?;
        if cost != 0 {
            // Work that finished elsewhere can have cost less than it had been charged.
            let kind = if cost > 0 { "charge" } else { "adjustment" };
            sqlx::query(
                "INSERT INTO ledger (at, team_id, kind, amount, key_id, events, actor)
                 VALUES ($1, $2, $6, $3, $4, $5, 'usage')",
            )
            .bind(now.0)
            .bind(team)
            .bind(-cost)
            .bind(key)
            .bind(events)
            .bind(kind)
            .execute(&mut **tx)
            .await?;
            charged.insert(team);
            judge_budget(tx, key, now).await?;
        }
    }
    for team in charged {
        judge_credit(tx, team).await?;
    }
    Ok(())
}

async fn add_to_day(tx: &mut Tx, day: &Day<'_>, sums: &Sums) -> Result<()> {
    let adds: Vec<String> = SUMS
        .iter()
        .map(|c| format!("{c} = usage_daily.{c} + excluded.{c}"))
        .collect();
    let sql = format!(
        "INSERT INTO usage_daily (day, team_id, key_id, model, decision, {}, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (day, team_id, key_id, model, decision) DO UPDATE SET {}, last_used_at = CASE
             WHEN excluded.last_used_at > usage_daily.last_used_at THEN excluded.last_used_at
             ELSE usage_daily.last_used_at END",
        SUMS.join(", "),
        adds.join(", ")
    );
    let mut query = sqlx::query(&sql)
        .bind(day.day)
        .bind(day.team)
        .bind(day.key)
        .bind(day.model)
        .bind(day.decision);
    for column in sums.columns {
        query = query.bind(column);
    }
    query.bind(sums.last_used).execute(&mut **tx).await?;
    Ok(())
}

/// Whether the key has spent the budget of the day or month that `now` is in.
pub(super) async fn is_over(tx: &mut Tx, key: &KeyInfo, now: Millis) -> Result<bool> {
    let spans = [
        (key.budgets.day_nano_usd, now.day()),
        (key.budgets.month_nano_usd, month_start(now.day())),
    ];
    for (budget, from) in spans {
        let Some(budget) = budget else { continue };
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(cost), 0) AS BIGINT) FROM usage_daily WHERE key_id = $1 AND day >= $2 AND day <= $3",
        )
        .bind(key.record.id.as_str())
        .bind(from)
        .bind(now.day())
        .fetch_one(&mut **tx)
        .await?;
        if row.try_get::<i64, _>(0)? >= budget {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sets a key's flag to what its budgets say; whether that changed it.
pub(super) async fn judge_budget(tx: &mut Tx, id: &str, now: Millis) -> Result<bool> {
    let mut key = match keys::load(tx, id).await {
        Err(StoreError::NotFound(_)) => return Ok(false),
        other => other?,
    };
    let over = is_over(tx, &key, now).await?;
    if over == key.over_budget {
        return Ok(false);
    }
    key.over_budget = over;
    keys::save(tx, &mut key).await?;
    Ok(true)
}
