//! Taking in usage: each event is looked up, stored and booked once, all within the caller's transaction.
//!
//! # Which day an event is booked on
//! The day on which it started, as long as that day is open. The sums of a closed day do not change any more, so that
//! what comes later counts on the day on which it comes; its own row says when it started. A start that lies ahead of the
//! present by more than a day, or before this product, is a wrong clock's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::Row;

use super::booking::charge;
use super::counted;
use super::events::{Fresh, accounts, insert_events};
use crate::clock::{DAY_MINUTES, DAY_MS, Millis};
use crate::store::sql::sums::{Slot, Sums, minute_of};
use crate::store::sql::{Tx, note, objects, prices, signed};
use crate::store::{Batch, FALLBACK, Import, Ingested, Result};

/// 2020-01-01: no event is older.
const EARLIEST: Millis = Millis(1_577_836_800_000);

/// What is known of days.
struct Days {
    /// Those before it are closed.
    closed: i64,
    /// Those before it were closed without keeping the ids of their events.
    forgotten: i64,
    /// The present. Not before the proven time, whatever the clock says.
    now: Millis,
}

impl Days {
    async fn load(tx: &mut Tx, now: Millis) -> Result<Self> {
        let row =
            sqlx::query("SELECT closed_before_day, forgotten_before_day, proven_at FROM meta")
                .fetch_one(&mut **tx)
                .await?;
        Ok(Self {
            closed: row.try_get(0)?,
            forgotten: row.try_get(1)?,
            now: now.max(Millis(row.try_get(2)?)),
        })
    }

    /// A start, not further ahead than a day: otherwise it would be on a day that no query of today finds.
    fn started(&self, unix_ms: u64) -> Millis {
        Millis(signed(unix_ms).min(self.now.0.saturating_add(DAY_MS)))
    }

    /// When to book what started then.
    fn booked(&self, started: Millis) -> Millis {
        if started.day() < self.closed || started < EARLIEST {
            self.now
        } else {
            started
        }
    }
}

/// Counts and charges the events of these batches, and audits imports.
pub(super) async fn count(tx: &mut Tx, batches: &[Batch], now: Millis) -> Result<Vec<Ingested>> {
    let days = Days::load(tx, now).await?;
    let all = || batches.iter().flat_map(|batch| &batch.events);
    let keys: BTreeSet<&str> = all().map(|p| p.event.key.as_str()).collect();
    let accounts = accounts(tx, &keys).await?;
    let ids: Vec<[u8; 16]> = all().map(|p| p.event.id).collect();
    let mut seen = counted::among(tx, &ids).await?;
    let mut done = vec![Ingested::default(); batches.len()];
    let mut fresh = Vec::new();
    for (number, (of, batch)) in done.iter_mut().zip(batches).enumerate() {
        for priced in &batch.events {
            let event = &priced.event;
            let started = days.started(event.started_unix_ms);
            let account = accounts.get(event.key.as_str());
            if account.map(|a| a.team.as_str()) != Some(event.team.as_str()) {
                of.unknown_key += 1;
            } else if started.day() < days.forgotten || !seen.insert(event.id) {
                of.duplicate += 1;
            } else {
                fresh.push(Fresh {
                    batch: number,
                    priced,
                    started,
                    booked: days.booked(started),
                });
            }
        }
    }
    let new = insert_events(tx, &fresh, days.now).await?;
    let mut told = Vec::new();
    let mut sums: BTreeMap<Slot<'_>, Sums> = BTreeMap::new();
    let mut guessed = prices::Charged::new();
    for one in &fresh {
        let (priced, event) = (one.priced, &one.priced.event);
        let Some(of) = done.get_mut(one.batch) else {
            continue;
        };
        if !new.contains(&event.id) {
            of.duplicate += 1;
            continue;
        }
        of.accepted += 1;
        of.late += u64::from(one.is_late());
        of.cost_nano_usd = of.cost_nano_usd.saturating_add(priced.cost);
        if event.object.is_some() {
            told.push((priced, one.booked));
            continue;
        }
        let slot = Slot {
            minute: minute_of(one.booked),
            team: event.team.as_str(),
            key: event.key.as_str(),
            model: event.model.as_ref().map_or("", |m| m.as_str()),
            endpoint: event.endpoint_group.as_str(),
            decision: event.decision.as_str(),
        };
        let of = Sums::of(priced, one.started);
        if priced.priced_by == FALLBACK {
            guess(&mut guessed, one.booked.day(), slot.model, &of);
        }
        sums.entry(slot).or_default().merge(&of);
    }
    let booked = objects::book(tx, &told, days.now).await?;
    for one in &booked {
        let (slot, of) = one.sums();
        if one.priced_by == FALLBACK {
            let day = slot.minute.div_euclid(DAY_MINUTES);
            guess(&mut guessed, day, slot.model, &of);
        }
        sums.entry(slot).or_default().merge(&of);
    }
    prices::add(tx, &guessed).await?;
    charge(tx, &sums, &accounts, now).await?;
    for (of, batch) in done.iter_mut().zip(batches) {
        if let Some(import) = &batch.import {
            of.malformed = import.rest.malformed;
            (of.summed, of.unattributed) = (import.rest.summed, import.rest.unattributed);
            audit(tx, import, of).await?;
        }
    }
    Ok(done)
}

/// Notes what was charged by the fallback.
fn guess<'a>(guessed: &mut prices::Charged<'a>, day: i64, model: &'a str, of: &Sums) {
    let (requests, cost) = guessed.entry((day, model)).or_default();
    *requests = requests.saturating_add(of.requests);
    *cost = cost.saturating_add(of.cost());
}

async fn audit(tx: &mut Tx, import: &Import, done: &Ingested) -> Result<()> {
    let detail = json!({"lines": done.lines(), "result": done});
    note(tx, &import.by, "usage.import", "usage", None, detail).await
}
