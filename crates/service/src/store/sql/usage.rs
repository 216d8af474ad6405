//! Usage and money: taken in, credited, asked for, closed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use gmtech_core::decision::refuses;
use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::booking::{Day, SUMS, Sums, charge, judge_budget};
use super::events::{Fresh, accounts, insert_events};
use super::keys::cut;
use super::objects;
use super::teams::judge_credit;
use super::{SqlStore, note, remember, replay, rows, signed};
use crate::clock::{DAY_MS, Millis, day_name};
use crate::store::{
    By, GroupBy, Ingested, LedgerRow, NewCredit, Page, PageRequest, Priced, Result, Team,
    UsageQuery, UsageRow, UsageStore,
};

#[async_trait]
impl UsageStore for SqlStore {
    async fn ingest_all(&self, batches: &[Vec<Priced>], now: Millis) -> Result<Vec<Ingested>> {
        let mut tx = self.begin().await?;
        let closed: i64 = sqlx::query("SELECT closed_before_day FROM meta")
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
        let keys: BTreeSet<&str> = batches
            .iter()
            .flatten()
            .map(|p| p.event.key.as_str())
            .collect();
        let accounts = accounts(&mut tx, &keys).await?;
        let mut done = vec![Ingested::default(); batches.len()];
        let mut seen = HashSet::new();
        let mut fresh = Vec::new();
        for (batch, (of, events)) in done.iter_mut().zip(batches).enumerate() {
            for priced in events {
                let event = &priced.event;
                // A clock that runs ahead must not book usage on a day that no query of today finds.
                let started =
                    Millis(signed(event.started_unix_ms).min(now.0.saturating_add(DAY_MS)));
                if started.day() < closed {
                    of.too_old += 1;
                } else if accounts.get(event.key.as_str()).map(|a| a.team.as_str())
                    != Some(event.team.as_str())
                {
                    of.unknown_key += 1;
                } else if !seen.insert(event.id) {
                    of.duplicate += 1;
                } else {
                    fresh.push(Fresh {
                        batch,
                        priced,
                        started,
                    });
                }
            }
        }
        let new = insert_events(&mut tx, &fresh, now).await?;
        let mut days: BTreeMap<Day<'_>, Sums> = BTreeMap::new();
        let mut told = Vec::new();
        for Fresh {
            batch,
            priced,
            started,
        } in &fresh
        {
            let Some(of) = done.get_mut(*batch) else {
                continue;
            };
            let event = &priced.event;
            if !new.contains(&event.id) {
                of.duplicate += 1;
                continue;
            }
            of.accepted += 1;
            if event.object.is_some() {
                told.push((*priced, *started));
                continue;
            }
            let day = Day {
                team: event.team.as_str(),
                key: event.key.as_str(),
                day: started.day(),
                model: event.model.as_ref().map_or("", |m| m.as_str()),
                decision: event.decision.as_str(),
            };
            days.entry(day).or_default().add(priced, *started);
        }
        let booked = objects::book(&mut tx, &told, now).await?;
        for (day, sums) in booked.iter().map(objects::Booked::sums) {
            days.entry(day).or_default().merge(&sums);
        }
        charge(&mut tx, &days, &accounts, now).await?;
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

fn add_row(group: &mut UsageRow, row: &sqlx::any::AnyRow) -> Result<()> {
    let decision: String = row.try_get("decision")?;
    let requests: i64 = row.try_get("requests")?;
    group.requests += requests;
    if refuses(&decision) {
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
