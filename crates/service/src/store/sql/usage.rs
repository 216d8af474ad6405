//! Usage and money: taken in, credited, asked for.

use async_trait::async_trait;
use gmtech_core::decision::refuses;
use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::booking::{SUMS, sum_of};
use super::keys::cut;
use super::teams::judge_credit;
use super::{SqlStore, cursor, ingest, note, remember, replay, rows};
use crate::clock::{Millis, day_name};
use crate::money::{DOLLAR, MAX_BALANCE};
use crate::store::{
    Batch, By, GroupBy, Ingested, LedgerRow, NewCredit, Page, PageRequest, Result, StoreError,
    Team, UsageQuery, UsageRow, UsageStore,
};

#[async_trait]
impl UsageStore for SqlStore {
    async fn ingest_all(&self, batches: &[Batch], now: Millis) -> Result<Vec<Ingested>> {
        let mut tx = self.begin().await?;
        let done = ingest::count(&mut tx, batches, now).await?;
        self.commit(tx).await?;
        Ok(done)
    }

    async fn credit(&self, team: &TeamId, entry: NewCredit, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let before = super::teams::load(&mut tx, team.as_str()).await?;
        if replay(&mut tx, entry.once.as_ref(), by).await?.is_some() {
            return super::teams::load(&mut tx, team.as_str()).await;
        }
        if before.closed_at.is_some() && entry.amount > 0 {
            return Err(super::teams::closed(team.as_str()));
        }
        let after = before.balance_nano_usd.checked_add(entry.amount);
        if !after.is_some_and(|after| (-MAX_BALANCE..=MAX_BALANCE).contains(&after)) {
            let most = MAX_BALANCE / DOLLAR;
            return Err(StoreError::Conflict(format!(
                "a balance can be at most {most} dollars from zero, and this one would pass it"
            )));
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
        .bind(cursor::seq(page.after.as_deref())?)
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
        let sums: Vec<String> = SUMS
            .iter()
            .map(|c| format!("{} AS {c}", sum_of(c)))
            .collect();
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
}

fn add_row(group: &mut UsageRow, row: &sqlx::any::AnyRow) -> Result<()> {
    let decision: String = row.try_get("decision")?;
    let requests: i64 = row.try_get("requests")?;
    group.requests = group.requests.saturating_add(requests);
    if refuses(&decision) {
        let sum = group.refusals.entry(decision).or_default();
        *sum = sum.saturating_add(requests);
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
