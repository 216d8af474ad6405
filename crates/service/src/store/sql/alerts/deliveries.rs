//! The outbox: alerts on their way to addresses.
//!
//! A delivery is sent by whoever holds its lease, for as long as the lease runs. A service that ends in between leaves it to
//! the next one, after the lease: the receiver may then get the same id twice, and never no alert.
//!
//! # Order
//! What is about the same key or team is delivered to an address in the order in which it arose: a later one waits until the
//! one before it is delivered or given up. Other alerts do not wait for it.

use std::time::Duration;

use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;

use super::{addresses, raise, read};
use crate::clock::Millis;
use crate::store::sql::{Store, Tx};
use crate::store::{AlertKind, Attempted, By, Delivery, DisabledBy, Due, Result, StoreError, Then};

/// How long a lease runs: longer than an attempt takes.
const LEASE: Duration = Duration::from_secs(60);

/// What is due at `$1`, the oldest first, at most `$2` of them, one for each address.
const DUE: &str = "SELECT d.*, a.kind, a.payload, w.url, w.secret, w.previous_secret, w.previous_until
      FROM (SELECT alert_id, address_id, seq, attempts, next_at,
                ROW_NUMBER() OVER (PARTITION BY address_id ORDER BY next_at, seq) AS place
            FROM alert_deliveries AS d WHERE status = 'waiting' AND next_at <= $1 AND leased_until <= $1
              AND NOT EXISTS (SELECT 1 FROM alert_deliveries AS e WHERE e.address_id = d.address_id AND e.topic = d.topic
                  AND e.status = 'waiting' AND e.seq < d.seq)) AS d
      JOIN alerts AS a ON a.id = d.alert_id
      JOIN alert_addresses AS w ON w.id = d.address_id AND w.disabled_at IS NULL
     WHERE d.place = 1 ORDER BY d.next_at, d.seq LIMIT $2";

impl Store {
    /// Takes deliveries that are due at `now`, at most `limit`, one for each address that is not among `busy`. Nobody else
    /// gets them for a minute.
    pub async fn lease_deliveries(
        &self,
        now: Millis,
        limit: u32,
        busy: &[String],
    ) -> Result<Vec<Due>> {
        let wanted = i64::from(limit).saturating_add(i64::try_from(busy.len()).unwrap_or(0));
        // Most of the time there is nothing, and nobody has to wait for this.
        let found = sqlx::query(DUE)
            .bind(now.0)
            .bind(wanted)
            .fetch_all(&self.readers)
            .await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let found = sqlx::query(DUE)
            .bind(now.0)
            .bind(wanted)
            .fetch_all(&mut *tx)
            .await?;
        let mut taken = Vec::new();
        for row in &found {
            let due = read::due(row, now)?;
            if busy.contains(&due.address) || taken.len() >= usize::try_from(limit).unwrap_or(0) {
                continue;
            }
            lease(&mut tx, &due, now).await?;
            taken.push(due);
        }
        self.commit(tx).await?;
        Ok(taken)
    }

    /// Makes an alert that tries an address, whether it is on or off, and takes its delivery.
    pub async fn begin_alert_test(
        &self,
        team: &TeamId,
        address: &str,
        name: &str,
        by: &By,
    ) -> Result<Due> {
        let mut tx = self.begin().await?;
        let of = addresses::load(&mut tx, team, address).await?;
        let under_way = sqlx::query(
            "SELECT 1 FROM alert_deliveries WHERE address_id = $1 AND topic = 'test' AND leased_until > $2",
        )
        .bind(address)
        .bind(by.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        if under_way.is_some() {
            let why = "a test of this address is under way; wait for it";
            return Err(StoreError::Conflict(why.into()));
        }
        let new = raise::New {
            about: name,
            step: 0,
            lasting: false,
            kind: AlertKind::Test,
            team,
            key: None,
            message: format!("A test of the address {}.", of.name),
            data: json!({}),
            shown_until: by.now.0,
        };
        let (id, seq) = raise::store(&mut tx, &new, by.now).await?;
        sqlx::query(
            "INSERT INTO alert_deliveries (alert_id, address_id, seq, topic, status, created_at, next_at)
             VALUES ($1, $2, $3, 'test', 'waiting', $4, $4)",
        )
        .bind(&*id)
        .bind(address)
        .bind(seq)
        .bind(by.now.0)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query(
            "SELECT d.*, a.kind, a.payload, w.url, w.secret, w.previous_secret, w.previous_until FROM alert_deliveries AS d
              JOIN alerts AS a ON a.id = d.alert_id JOIN alert_addresses AS w ON w.id = d.address_id
             WHERE d.alert_id = $1",
        )
        .bind(&*id)
        .fetch_one(&mut *tx)
        .await?;
        let due = read::due(&row, by.now)?;
        lease(&mut tx, &due, by.now).await?;
        addresses::written(&mut tx, &of, "test", by).await?;
        self.commit(tx).await?;
        Ok(due)
    }

    /// Writes what became of an attempt. Nothing is written if somebody else has tried it since.
    pub async fn note_attempt(&self, due: &Due, done: &Attempted, now: Millis) -> Result<()> {
        let mut tx = self.begin().await?;
        let (status, next) = match done.then {
            Then::Delivered => ("delivered", now),
            Then::Again(at) => ("waiting", at),
            Then::GiveUp | Then::Disable => ("failed", now),
        };
        let written = sqlx::query(
            "UPDATE alert_deliveries SET status = $1, next_at = $2, leased_until = 0, tried_at = $3, answered = $4, problem = $5
             WHERE alert_id = $6 AND address_id = $7 AND attempts = $8 AND status = 'waiting'",
        )
        .bind(status)
        .bind(next.0)
        .bind(now.0)
        .bind(done.answered.map(i64::from))
        .bind(done.problem.clone())
        .bind(&*due.alert)
        .bind(&*due.address)
        .bind(i64::from(due.attempt))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 0 {
            return Ok(());
        }
        match done.then {
            // The receiver is there: what waits for its next attempt need not.
            Then::Delivered => {
                sqlx::query(
                    "UPDATE alert_deliveries SET next_at = $1
                     WHERE address_id = $2 AND status = 'waiting' AND next_at > $1",
                )
                .bind(now.0)
                .bind(&*due.address)
                .execute(&mut *tx)
                .await?;
            }
            Then::Disable => {
                addresses::disable(&mut tx, &due.address, DisabledBy::Receiver, now).await?;
                let of = addresses::of(&mut tx, &due.address).await?;
                addresses::written(&mut tx, &of, "disable", &By::service(now)).await?;
            }
            Then::Again(_) | Then::GiveUp => {}
        }
        self.commit(tx).await
    }

    /// The latest deliveries to a team's addresses, or to one of them, the newest first.
    pub async fn deliveries(
        &self,
        team: &TeamId,
        address: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        let found = sqlx::query(
            "SELECT d.*, a.kind, a.message FROM alert_deliveries AS d JOIN alerts AS a ON a.id = d.alert_id
             WHERE d.address_id IN (SELECT id FROM alert_addresses WHERE team_id = $1 AND ($2 = '' OR id = $2))
             ORDER BY d.seq DESC, d.address_id LIMIT $3",
        )
        .bind(team.as_str())
        .bind(address.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(read::delivery).collect()
    }

    /// How many deliveries wait to be sent, for the first time or again.
    pub async fn deliveries_waiting(&self) -> Result<u64> {
        let row = sqlx::query("SELECT COUNT(*) FROM alert_deliveries WHERE status = 'waiting'")
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }
}

async fn lease(tx: &mut Tx, due: &Due, now: Millis) -> Result<()> {
    sqlx::query(
        "UPDATE alert_deliveries SET leased_until = $1, attempts = $2 WHERE alert_id = $3 AND address_id = $4",
    )
    .bind(now.after(LEASE).0)
    .bind(i64::from(due.attempt))
    .bind(&*due.alert)
    .bind(&*due.address)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
