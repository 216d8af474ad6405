//! The addresses that a team's alerts are posted to.

use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::read;
use crate::clock::Millis;
use crate::store::sql::{Store, Tx, note, teams};
use crate::store::{AlertAddress, By, DisabledBy, NewAlertAddress, Result, StoreError};

/// The most addresses of a team.
const MOST_ADDRESSES: i64 = 10;

const NO_ADDRESS: StoreError = StoreError::NotFound("alert address");

impl Store {
    /// A team's addresses, in the order in which they were added.
    pub async fn alert_addresses(&self, team: &TeamId) -> Result<Vec<AlertAddress>> {
        let found =
            sqlx::query("SELECT * FROM alert_addresses WHERE team_id = $1 ORDER BY created_at, id")
                .bind(team.as_str())
                .fetch_all(&self.readers)
                .await?;
        found.iter().map(read::address).collect()
    }

    /// Adds an address.
    pub async fn add_alert_address(&self, new: NewAlertAddress, by: &By) -> Result<AlertAddress> {
        let mut tx = self.begin().await?;
        let team = new.team.as_str();
        teams::open(&mut tx, team).await?;
        let row = sqlx::query(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN url = $1 THEN 1 ELSE 0 END), 0) FROM alert_addresses WHERE team_id = $2",
        )
        .bind(&*new.url)
        .bind(team)
        .fetch_one(&mut *tx)
        .await?;
        if row.try_get::<i64, _>(1)? > 0 {
            let why = "alerts are posted to this address already";
            return Err(StoreError::Conflict(why.into()));
        }
        if row.try_get::<i64, _>(0)? >= MOST_ADDRESSES {
            let why = format!("a team can have {MOST_ADDRESSES} alert addresses; remove one first");
            return Err(StoreError::Conflict(why));
        }
        let row = sqlx::query(
            "INSERT INTO alert_addresses (id, team_id, name, url, secret, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        )
        .bind(&*new.id)
        .bind(team)
        .bind(&*new.name)
        .bind(&*new.url)
        .bind(&*new.secret)
        .bind(by.now.0)
        .bind(&*by.actor)
        .fetch_one(&mut *tx)
        .await?;
        let address = read::address(&row)?;
        written(&mut tx, &address, "add", by).await?;
        self.commit(tx).await?;
        Ok(address)
    }

    /// Removes an address. What waits for it is not sent.
    pub async fn remove_alert_address(&self, team: &TeamId, id: &str, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        let address = load(&mut tx, team, id).await?;
        for statement in [
            "DELETE FROM alert_deliveries WHERE address_id = $1",
            "DELETE FROM alert_addresses WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        written(&mut tx, &address, "remove", by).await?;
        self.commit(tx).await
    }

    /// Turns an address on or off. What waits for one that is turned off is not sent.
    pub async fn enable_alert_address(
        &self,
        team: &TeamId,
        id: &str,
        enabled: bool,
        by: &By,
    ) -> Result<AlertAddress> {
        let mut tx = self.begin().await?;
        let was = load(&mut tx, team, id).await?;
        if was.enabled == enabled {
            return Ok(was);
        }
        match enabled {
            true => {
                sqlx::query(
                    "UPDATE alert_addresses SET disabled_at = NULL, disabled_by = NULL WHERE id = $1",
                )
                .bind(id)
                .execute(&mut *tx)
                .await?;
            }
            false => disable(&mut tx, id, DisabledBy::Person, by.now).await?,
        }
        let what = if enabled { "enable" } else { "disable" };
        let address = load(&mut tx, team, id).await?;
        written(&mut tx, &address, what, by).await?;
        self.commit(tx).await?;
        Ok(address)
    }

    /// Gives an address another secret. The one before signs too until `until`.
    pub async fn rotate_alert_secret(
        &self,
        team: &TeamId,
        id: &str,
        (secret, until): (&str, Millis),
        by: &By,
    ) -> Result<AlertAddress> {
        let mut tx = self.begin().await?;
        load(&mut tx, team, id).await?;
        sqlx::query(
            "UPDATE alert_addresses SET previous_secret = secret, previous_until = $1, secret = $2 WHERE id = $3",
        )
        .bind(until.0)
        .bind(secret)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        let address = load(&mut tx, team, id).await?;
        written(&mut tx, &address, "rotate_secret", by).await?;
        self.commit(tx).await?;
        Ok(address)
    }
}

/// An address of a team, within a transaction.
pub(super) async fn load(tx: &mut Tx, team: &TeamId, id: &str) -> Result<AlertAddress> {
    let row = sqlx::query("SELECT * FROM alert_addresses WHERE id = $1 AND team_id = $2")
        .bind(id)
        .bind(team.as_str())
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(NO_ADDRESS)?;
    read::address(&row)
}

/// An address of any team, within a transaction.
pub(super) async fn of(tx: &mut Tx, id: &str) -> Result<AlertAddress> {
    let row = sqlx::query("SELECT * FROM alert_addresses WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(NO_ADDRESS)?;
    read::address(&row)
}

/// Turns an address off, and gives up what waits for it.
pub(super) async fn disable(tx: &mut Tx, id: &str, by: DisabledBy, now: Millis) -> Result<()> {
    sqlx::query("UPDATE alert_addresses SET disabled_at = $1, disabled_by = $2 WHERE id = $3")
        .bind(now.0)
        .bind(by.name())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "UPDATE alert_deliveries SET status = 'failed', problem = COALESCE(problem, 'the address was turned off')
         WHERE address_id = $1 AND status = 'waiting'",
    )
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes who did what with an address. The audit log names its host only: the rest of a URL can be a secret of the receiver's.
pub(super) async fn written(tx: &mut Tx, of: &AlertAddress, what: &str, by: &By) -> Result<()> {
    let host = reqwest::Url::parse(&of.url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let detail = json!({"name": of.name, "host": host});
    let action = format!("alert_address.{what}");
    note(tx, by, &action, &of.id, Some(of.team.as_str()), detail).await
}
