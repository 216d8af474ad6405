//! Alerts: raised within the transaction that gives rise to them ([`raise`]), posted to the team's addresses ([`deliveries`]),
//! and shown on pages.

mod addresses;
mod deliveries;
pub(super) mod raise;
mod read;

use gmtech_core::ident::TeamId;
use sqlx::Row;

use super::{Store, cursor};
use crate::clock::Millis;
use crate::store::{Alert, Page, PageRequest, Result, StoreError};

/// How many old alerts one transaction drops: others write in between.
const AT_ONCE: i64 = 1_000;

impl Store {
    /// A team's alerts, the newest first.
    pub async fn alerts(&self, team: &TeamId, page: &PageRequest) -> Result<Page<Alert>> {
        let found = sqlx::query(
            "SELECT * FROM alerts WHERE team_id = $1 AND seq < $2 AND kind <> 'test' ORDER BY seq DESC LIMIT $3",
        )
        .bind(team.as_str())
        .bind(cursor::seq(page.after.as_deref())?)
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(read::alert).collect::<Result<Vec<_>>>()?;
        Ok(cursor::cut(items, page.limit, |alert| {
            alert.seq.to_string()
        }))
    }

    /// The alerts of a team that are worth a line to this person at `now`, the newest first, at most `limit`.
    pub async fn alerts_to_show(
        &self,
        team: &TeamId,
        person: &str,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<Alert>> {
        let found = sqlx::query(
            "SELECT * FROM alerts AS a WHERE team_id = $1 AND shown_until > $2 AND kind <> 'test' AND NOT EXISTS
                 (SELECT 1 FROM alert_dismissals AS d WHERE d.person_id = $3 AND d.alert_id = a.id)
             ORDER BY seq DESC LIMIT $4",
        )
        .bind(team.as_str())
        .bind(now.0)
        .bind(person)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(read::alert).collect()
    }

    /// Shows this person the alert no more, nor what was told of the same thing before it.
    pub async fn dismiss_alert(&self, team: &TeamId, alert: &str, person: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT about, step FROM alerts WHERE id = $1 AND team_id = $2")
            .bind(alert)
            .bind(team.as_str())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(StoreError::NotFound("alert"))?;
        sqlx::query(
            "INSERT INTO alert_dismissals (alert_id, person_id)
             SELECT id, $1 FROM alerts WHERE about = $2 AND step <= $3 ON CONFLICT DO NOTHING",
        )
        .bind(person)
        .bind(row.try_get::<String, _>(0)?)
        .bind(row.try_get::<i64, _>(1)?)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await
    }

    /// Drops alerts and deliveries of before `before`. Those of things that can come up for ever stay, so that they are not
    /// told again.
    pub async fn forget_alerts(&self, before: Millis) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let mut tx = self.begin().await?;
            let gone = sqlx::query(
                "DELETE FROM alerts WHERE seq IN (SELECT seq FROM alerts WHERE lasting = 0 AND at < $1 ORDER BY at LIMIT $2)",
            )
            .bind(before.0)
            .bind(AT_ONCE)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            sqlx::query("DELETE FROM alert_deliveries WHERE created_at < $1")
                .bind(before.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "DELETE FROM alert_dismissals WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = alert_dismissals.alert_id)",
            )
            .execute(&mut *tx)
            .await?;
            self.commit(tx).await?;
            dropped += gone;
            if gone == 0 {
                return Ok(dropped);
            }
        }
    }
}
