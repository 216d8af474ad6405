//! Usage and money: taken in, credited, asked for.

mod booking;
pub(super) mod counted;
pub(super) mod events;
mod ingest;
mod reports;
pub(super) mod rollups;

use async_trait::async_trait;
use gmtech_core::ident::TeamId;
use serde_json::json;

use super::keys::cut;
use super::teams::judge_credit;
use super::{SqlStore, cursor, note, remember, replay, rows};
use crate::clock::Millis;
use crate::money::{DOLLAR, MAX_BALANCE};
use crate::store::{
    Batch, By, Ingested, Kept, LedgerRow, NewCredit, Page, PageRequest, RequestRecord, Result,
    StoreError, Team, UsageQuery, UsageRow, UsageStore,
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

    async fn usage(&self, query: &UsageQuery) -> Result<Page<UsageRow>> {
        reports::usage(self, query).await
    }

    async fn usage_kept(&self) -> Result<Kept> {
        reports::kept(self).await
    }

    async fn request(&self, id: &str, team: Option<&TeamId>) -> Result<Vec<RequestRecord>> {
        reports::request(self, id, team).await
    }
}
