//! Credit: what moves a team's balance by hand, and the ledger of all that did.

use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::alerts::raise;
use super::sums::sum_of;
use super::teams::judge_credit;
use super::{Store, Tx, cursor, note, remember, replay, rows, teams};
use crate::clock::{DAY_MS, Millis};
use crate::money::{DOLLAR, MAX_BALANCE};
use crate::store::{
    By, Credited, LedgerRow, NewCredit, Page, PageRequest, Result, StoreError, Team,
};

impl Store {
    /// Adds to a team's credit, or corrects it.
    pub async fn credit(&self, team: &TeamId, entry: NewCredit, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let before = teams::load(&mut tx, team.as_str()).await?;
        if replay(&mut tx, entry.once.as_ref(), by).await?.is_some() {
            return teams::load(&mut tx, team.as_str()).await;
        }
        if before.closed_at.is_some() && entry.amount > 0 {
            return Err(teams::closed(team.as_str()));
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
            // The trigger has moved the balance already.
            sqlx::query(
                "UPDATE teams SET prepaid = 1, pool = balance, pool_since = $1 WHERE id = $2",
            )
            .bind(by.now.0)
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
        tell(&mut tx, &team, by).await?;
        self.commit(tx).await?;
        Ok(team)
    }

    /// The ledger of a team, the newest first.
    pub async fn ledger(&self, team: &TeamId, page: &PageRequest) -> Result<Page<LedgerRow>> {
        let found = sqlx::query(
            "SELECT * FROM ledger WHERE team_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
        )
        .bind(team.as_str())
        .bind(cursor::seq(page.after.as_deref())?)
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::ledger).collect::<Result<Vec<_>>>()?;
        Ok(cursor::cut(items, page.limit, |row| row.seq.to_string()))
    }

    /// What moved a team's balance besides usage, from this UTC day on, day by day.
    pub async fn credited(&self, team: &TeamId, from: i64) -> Result<Vec<Credited>> {
        // The index is partial: it has only what usage did not do.
        let sql = format!(
            "SELECT at / {DAY_MS} AS day, kind, {} AS amount FROM ledger
             WHERE team_id = $1 AND at >= $2 AND actor <> 'usage' GROUP BY at / {DAY_MS}, kind ORDER BY 1",
            sum_of("amount")
        );
        let found = sqlx::query(&sql)
            .bind(team.as_str())
            .bind(from.saturating_mul(DAY_MS))
            .fetch_all(&self.readers)
            .await?;
        let mut days: Vec<Credited> = Vec::new();
        for row in found {
            let (day, kind, amount): (i64, String, i64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if days.last().is_none_or(|last| last.day != day) {
                days.push(Credited {
                    day,
                    ..Credited::default()
                });
            }
            if let Some(last) = days.last_mut() {
                match kind.as_str() {
                    "top_up" => last.topped_up = amount,
                    _ => last.adjusted = last.adjusted.saturating_add(amount),
                }
            }
        }
        Ok(days)
    }
}

/// Raises the alerts that a correction gives rise to.
async fn tell(tx: &mut Tx, team: &Team, by: &By) -> Result<()> {
    let row = sqlx::query("SELECT pool, pool_since FROM teams WHERE id = $1 AND prepaid = 1")
        .bind(team.id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(()) };
    let since: Option<i64> = row.try_get(1)?;
    if let Some((pool, since)) = row.try_get::<Option<i64>, _>(0)?.zip(since.map(Millis)) {
        let balance = team.balance_nano_usd;
        raise::credit(tx, &team.id, (pool, since), balance, by.now).await?;
    }
    Ok(())
}
