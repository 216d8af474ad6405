//! Keys that expire soon: looked for by the clock.

use gmtech_core::record::Status;
use serde_json::json;
use sqlx::Row;

use super::load;
use crate::clock::Millis;
use crate::store::sql::alerts::raise::{New, raise, told};
use crate::store::sql::{Store, signed};
use crate::store::thresholds::{About, BEFORE_EXPIRY, expiry_step};
use crate::store::{AlertKind, Result, StoreError};

/// How many keys one transaction tells of: others write in between.
const AT_ONCE: usize = 100;

/// The keys whose end is told at this step: they are active, are not continued by another key, and lived longer than the notice.
const DUE: &str = "SELECT k.id, k.expires_at FROM keys AS k
     WHERE COALESCE(k.expires_at, 9223372036854775807) > $1 AND COALESCE(k.expires_at, 9223372036854775807) <= $2
       AND k.status = 'active' AND k.rotated_to IS NULL AND k.created_at <= (k.expires_at - $3) * 1000
       AND NOT EXISTS (SELECT 1 FROM alerts AS a
           WHERE a.about = 'expiry:' || k.id || ':' || CAST(k.expires_at AS TEXT) AND a.step >= $4)";

impl Store {
    /// Tells of each key that expires soon; gives of how many.
    pub async fn alert_expiring(&self, now: Millis) -> Result<u64> {
        let seconds = now.unix_seconds();
        let mut due = Vec::new();
        for (step, before) in (1_i64..).zip(BEFORE_EXPIRY) {
            let found = sqlx::query(DUE)
                .bind(signed(seconds))
                .bind(signed(seconds.saturating_add(before)))
                .bind(signed(before))
                .bind(step)
                .fetch_all(&self.readers)
                .await?;
            for row in found {
                due.push(row.try_get::<String, _>(0)?);
            }
        }
        due.sort();
        due.dedup();
        let mut count = 0;
        for part in due.chunks(AT_ONCE) {
            let mut tx = self.begin().await?;
            for id in part {
                // It may have been changed since it was found, or told of by another service.
                let key = match load(&mut tx, id).await {
                    Err(StoreError::NotFound(_)) => continue,
                    other => other?,
                };
                let Some(at) = key.record.expires_at else {
                    continue;
                };
                let is_on = key.record.status == Status::Active;
                let about = About::Expiry {
                    key: &key.record.id,
                    at,
                };
                let name = about.name();
                let last = told(&mut tx, &name).await?;
                let created = key.created_at.unix_seconds();
                let step = expiry_step(created, at, seconds, last);
                let Some(step) = step.filter(|_| is_on && key.rotated_to.is_none()) else {
                    continue;
                };
                let end = Millis(signed(at).saturating_mul(1_000));
                let soon = match step {
                    1 => "within seven days",
                    _ => "within a day",
                };
                let new = New {
                    about: &name,
                    step,
                    lasting: about.is_lasting(),
                    kind: AlertKind::Expiring,
                    team: &key.record.team,
                    key: Some(&key),
                    message: format!("Key {} expires {soon}, at {}.", key.name, end.to_rfc3339()),
                    data: json!({"expires_at": end.to_rfc3339()}),
                    shown_until: end.0,
                };
                raise(&mut tx, &new, now).await?;
                count += 1;
            }
            self.commit(tx).await?;
        }
        Ok(count)
    }
}
