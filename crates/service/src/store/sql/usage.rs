//! Usage and money: events, daily sums, ledger and budgets, all in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use gmtech_core::ident::TeamId;
use gmtech_core::usage::Usage;
use serde_json::json;
use sqlx::Row;

use super::keys::cut;
use super::teams::judge_credit;
use super::{SqlStore, Tx, keys, note, remember, replay, rows, signed};
use crate::clock::{DAY_MS, Millis, day_name, month_start};
use crate::store::{
    By, GroupBy, Ingested, KeyInfo, LedgerRow, NewCredit, Page, PageRequest, Priced, Result,
    StoreError, Team, UsageQuery, UsageRow, UsageStore,
};

/// Decisions that refuse nothing.
const ADMITTED: [&str; 3] = ["allowed", "free", "preflight"];

#[async_trait]
impl UsageStore for SqlStore {
    async fn ingest(&self, events: &[Priced], now: Millis) -> Result<Ingested> {
        let mut tx = self.begin().await?;
        let closed: i64 = sqlx::query("SELECT closed_before_day FROM meta")
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
        let mut done = Ingested::default();
        let mut teams: BTreeMap<&str, Option<String>> = BTreeMap::new();
        let mut days: BTreeMap<Day<'_>, Sums> = BTreeMap::new();
        for priced in events {
            let event = &priced.event;
            // A clock that runs ahead must not book usage on a day that no query of today finds.
            let started = Millis(signed(event.started_unix_ms).min(now.0.saturating_add(DAY_MS)));
            if started.day() < closed {
                done.too_old += 1;
                continue;
            }
            let key = event.key.as_str();
            if !teams.contains_key(key) {
                teams.insert(key, team_of(&mut tx, key).await?);
            }
            if teams.get(key).and_then(Option::as_deref) != Some(event.team.as_str()) {
                done.unknown_key += 1;
                continue;
            }
            if !insert_event(&mut tx, priced, started, now).await? {
                done.duplicate += 1;
                continue;
            }
            done.accepted += 1;
            let day = Day {
                team: event.team.as_str(),
                key,
                day: started.day(),
                model: event.model.as_ref().map_or("", |m| m.as_str()),
                decision: event.decision.as_str(),
            };
            days.entry(day).or_default().add(priced, started);
        }
        charge(&mut tx, &days, now).await?;
        self.commit(tx).await?;
        Ok(done)
    }

    async fn credit(&self, team: &TeamId, entry: NewCredit, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        super::teams::load(&mut tx, team.as_str()).await?;
        if replay(&mut tx, entry.once.as_ref(), by).await?.is_some() {
            return super::teams::load(&mut tx, team.as_str()).await;
        }
        let kind = if entry.amount > 0 {
            "top_up"
        } else {
            "adjustment"
        };
        sqlx::query("INSERT INTO ledger (at, team_id, kind, amount, actor, note) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(by.now.0)
            .bind(team.as_str())
            .bind(kind)
            .bind(entry.amount)
            .bind(&*by.actor)
            .bind(&*entry.note)
            .execute(&mut *tx)
            .await?;
        if entry.amount > 0 {
            sqlx::query("UPDATE teams SET prepaid = 1 WHERE id = $1")
                .bind(team.as_str())
                .execute(&mut *tx)
                .await?;
        }
        let detail = json!({"kind": kind, "amount_nano_usd": entry.amount, "note": entry.note});
        note(
            &mut tx,
            by,
            "team.credit",
            team.as_str(),
            Some(team.as_str()),
            detail,
        )
        .await?;
        remember(&mut tx, entry.once.as_ref(), team.as_str(), by).await?;
        let team = judge_credit(&mut tx, team.as_str()).await?;
        self.commit(tx).await?;
        Ok(team)
    }

    async fn ledger(&self, team: &TeamId, page: &PageRequest) -> Result<Page<LedgerRow>> {
        let found = sqlx::query(
            "SELECT * FROM ledger WHERE team_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
        )
        .bind(team.as_str())
        .bind(
            page.after
                .as_deref()
                .and_then(|c| c.parse().ok())
                .unwrap_or(i64::MAX),
        )
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::ledger).collect::<Result<Vec<_>>>()?;
        Ok(cut(items, page.limit, |row| row.seq.to_string()))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>> {
        let group = match query.by {
            GroupBy::Key => "key_id",
            GroupBy::Team => "team_id",
            GroupBy::Model => "model",
            GroupBy::Day => "day",
        };
        let sum = |column: &str| format!("CAST(SUM({column}) AS BIGINT) AS {column}");
        let sums: Vec<String> = SUMS.iter().map(|c| sum(c)).collect();
        let sql = format!(
            "SELECT {group} AS grp, decision, {}, MAX(last_used_at) AS last_used_at FROM usage_daily
             WHERE ($1 IS NULL OR team_id = $1) AND ($2 IS NULL OR key_id = $2) AND day >= $3 AND day <= $4
             GROUP BY {group}, decision ORDER BY {group}, decision",
            sums.join(", ")
        );
        let found = sqlx::query(&sql)
            .bind(query.team.as_ref().map(|t| t.as_str().to_owned()))
            .bind(query.key.as_ref().map(|k| k.as_str().to_owned()))
            .bind(query.from_day.unwrap_or(i64::MIN))
            .bind(query.to_day.unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        let mut groups: Vec<UsageRow> = Vec::new();
        for row in &found {
            let name = match query.by {
                GroupBy::Day => day_name(row.try_get("grp")?),
                _ => row.try_get("grp")?,
            };
            if groups.last().is_none_or(|g| g.group != name) {
                groups.push(UsageRow {
                    group: name,
                    ..UsageRow::default()
                });
            }
            if let Some(last) = groups.last_mut() {
                add_row(last, row)?;
            }
        }
        Ok(groups)
    }

    async fn refresh_budgets(&self, now: Millis) -> Result<u64> {
        let stale = sqlx::query("SELECT id FROM keys WHERE over_budget = 1")
            .fetch_all(&self.readers)
            .await?;
        if stale.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let mut changed = 0;
        for row in stale {
            let id: String = row.try_get(0)?;
            changed += u64::from(judge_budget(&mut tx, &id, now).await?);
        }
        self.commit(tx).await?;
        Ok(changed)
    }

    async fn close_days_before(&self, day: i64) -> Result<u64> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE meta SET closed_before_day = $1 WHERE closed_before_day < $1")
            .bind(day)
            .execute(&mut *tx)
            .await?;
        let dropped = sqlx::query("DELETE FROM events WHERE day < $1")
            .bind(day)
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await?;
        Ok(dropped.rows_affected())
    }
}

/// What one row of daily sums is for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Day<'a> {
    team: &'a str,
    key: &'a str,
    day: i64,
    model: &'a str,
    decision: &'a str,
}

/// The columns of daily sums, in the order of [`Sums`].
const SUMS: [&str; 11] = [
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
struct Sums {
    columns: [i64; 11],
    last_used: i64,
}

impl Sums {
    fn add(&mut self, priced: &Priced, started: Millis) {
        let t = priced.event.usage.tokens();
        let exact = matches!(priced.event.usage, Usage::Exact(_));
        let row = [
            1,
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
        ];
        for (sum, value) in self.columns.iter_mut().zip(row) {
            *sum = sum.saturating_add(value);
        }
        self.last_used = self.last_used.max(started.0);
    }

    fn cost(&self) -> i64 {
        self.columns.last().copied().unwrap_or(0)
    }
}

async fn team_of(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT team_id FROM keys WHERE id = $1")
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether the event is new.
async fn insert_event(tx: &mut Tx, priced: &Priced, started: Millis, now: Millis) -> Result<bool> {
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
async fn charge(tx: &mut Tx, days: &BTreeMap<Day<'_>, Sums>, now: Millis) -> Result<()> {
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
        if cost > 0 {
            sqlx::query(
                "INSERT INTO ledger (at, team_id, kind, amount, key_id, events, actor)
                 VALUES ($1, $2, 'charge', $3, $4, $5, 'usage')",
            )
            .bind(now.0)
            .bind(team)
            .bind(-cost)
            .bind(key)
            .bind(events)
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
async fn judge_budget(tx: &mut Tx, id: &str, now: Millis) -> Result<bool> {
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

fn add_row(group: &mut UsageRow, row: &sqlx::any::AnyRow) -> Result<()> {
    let decision: String = row.try_get("decision")?;
    let requests: i64 = row.try_get("requests")?;
    group.requests += requests;
    if !ADMITTED.contains(&&*decision) {
        *group.refusals.entry(decision).or_default() += requests;
    }
    for (sum, column) in [
        (&mut group.input_tokens, "input"),
        (&mut group.cached_input_tokens, "cached_input"),
        (&mut group.cache_write_tokens, "cache_write"),
        (&mut group.audio_input_tokens, "audio_input"),
        (&mut group.output_tokens, "output"),
        (&mut group.reasoning_tokens, "reasoning"),
        (&mut group.audio_output_tokens, "audio_output"),
        (&mut group.total_tokens, "total"),
        (&mut group.not_exact, "not_exact"),
        (&mut group.cost_nano_usd, "cost"),
    ] {
        *sum = sum.saturating_add(row.try_get(column)?);
    }
    let last = Millis(row.try_get("last_used_at")?);
    group.last_used_at = group.last_used_at.max(Some(last));
    Ok(())
}
