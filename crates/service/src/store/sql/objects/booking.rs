//! Booking of objects that providers keep: each once, in whatever order proxies report it.
//!
//! # How one is booked
//! The request that made an object is booked as it was charged; what the object used in the end replaces that. So the sum
//! booked for it is what it used, if that is known, else what its maker was charged. What the end adds counts on the day on
//! which it was reported, so that a budget of that day sees it. What the end takes away is taken from the day on which it had
//! been booked, so that no day's sum falls below zero.

use gmtech_core::decision::Decision;
use gmtech_core::objects::{BatchWork, Kind, ObjectId, ObjectNote};
use sqlx::Row;

use crate::clock::{DAY_MINUTES, Millis};
use crate::store::sql::sums::{Amounts, Slot, Sums, minute_of};
use crate::store::sql::{Tx, signed};
use crate::store::{Priced, Result};

/// What a row of sums changes by.
#[derive(Debug, PartialEq)]
pub(in crate::store::sql) struct Booked {
    team: String,
    key: String,
    model: String,
    endpoint: String,
    minute: i64,
    requests: i64,
    amounts: Amounts,
    at: Millis,
    /// Where the price is from.
    pub(in crate::store::sql) priced_by: &'static str,
}

impl Booked {
    /// The row to add to, and what to add.
    pub(in crate::store::sql) fn sums(&self) -> (Slot<'_>, Sums) {
        let slot = Slot {
            minute: self.minute,
            team: &self.team,
            key: &self.key,
            model: &self.model,
            endpoint: &self.endpoint,
            decision: Decision::Allowed.name(),
        };
        let sums = Sums {
            requests: self.requests,
            amounts: self.amounts,
            last_used: self.at.0,
        };
        (slot, sums)
    }
}

/// An object as it stands.
struct Known {
    key: String,
    team: String,
    model: String,
    endpoint: String,
    minute: i64,
    made: bool,
    settled: bool,
    booked: Amounts,
}

/// Books new events that report objects.
pub(in crate::store::sql) async fn book(
    tx: &mut Tx,
    told: &[(&Priced, Millis)],
    now: Millis,
) -> Result<Vec<Booked>> {
    let mut booked = Vec::new();
    for (priced, started) in told {
        if let Some(note) = &priced.event.object {
            book_one(tx, priced, note, *started, now, &mut booked).await?;
        }
    }
    Ok(booked)
}

async fn book_one(
    tx: &mut Tx,
    priced: &Priced,
    note: &ObjectNote,
    started: Millis,
    now: Millis,
    booked: &mut Vec<Booked>,
) -> Result<()> {
    let event = &priced.event;
    let amounts = Amounts::of(priced);
    let change = |requests, amounts| Booked {
        team: event.team.as_str().into(),
        key: event.key.as_str().into(),
        model: event.model.as_ref().map_or("", |m| m.as_str()).into(),
        endpoint: event.endpoint_group.as_str().into(),
        minute: minute_of(started),
        requests,
        amounts,
        at: started,
        priced_by: priced.priced_by,
    };
    match note {
        ObjectNote::Made {
            id,
            kind,
            work,
            settled,
        } => match load(tx, id).await? {
            None => {
                let new = New {
                    id,
                    kind: *kind,
                    of: None,
                    work: *work,
                    made: true,
                    settled: *settled,
                    amounts,
                };
                insert(tx, priced, &new, started, now).await?;
                booked.push(change(1, amounts));
            }
            // What it used is booked already: the request counts, and nothing more.
            Some(known) if !known.made && known.key == event.key.as_str() => {
                sqlx::query("UPDATE objects SET made = 1, kind = $2 WHERE digest = $1")
                    .bind(id.as_bytes().to_vec())
                    .bind(kind.name())
                    .execute(&mut **tx)
                    .await?;
                booked.push(change(
                    1,
                    if known.settled {
                        Amounts::default()
                    } else {
                        amounts
                    },
                ));
            }
            Some(_) => booked.push(change(1, amounts)),
        },
        ObjectNote::Found { id, of } => {
            if load(tx, id).await?.is_none() {
                let new = New {
                    id,
                    kind: Kind::File,
                    of: *of,
                    work: None,
                    made: true,
                    settled: false,
                    amounts: Amounts::default(),
                };
                insert(tx, priced, &new, started, now).await?;
            }
        }
        ObjectNote::Settled { id } => match load(tx, id).await? {
            None => {
                let new = New {
                    id,
                    kind: Kind::Other,
                    of: None,
                    work: None,
                    made: false,
                    settled: true,
                    amounts,
                };
                insert(tx, priced, &new, started, now).await?;
                booked.push(change(0, amounts));
            }
            Some(known) if known.settled => {}
            Some(known) => {
                settle(tx, id, &amounts, now).await?;
                booked.extend(known.difference(priced, started));
            }
        },
    }
    Ok(())
}

impl Known {
    /// What the end adds, now, and what it takes away, from when the object was booked.
    fn difference(self, priced: &Priced, at: Millis) -> Vec<Booked> {
        let amounts = &Amounts::of(priced);
        let more = amounts.zip(&self.booked, |new, old| new.saturating_sub(old).max(0));
        let less = amounts.zip(&self.booked, |new, old| new.saturating_sub(old).min(0));
        let change = |minute, amounts| Booked {
            team: self.team.clone(),
            key: self.key.clone(),
            model: self.model.clone(),
            endpoint: self.endpoint.clone(),
            minute,
            requests: 0,
            amounts,
            at,
            priced_by: priced.priced_by,
        };
        [change(minute_of(at), more), change(self.minute, less)]
            .into_iter()
            .filter(|b| b.amounts != Amounts::default())
            .collect()
    }
}

async fn load(tx: &mut Tx, id: &ObjectId) -> Result<Option<Known>> {
    let row = sqlx::query("SELECT * FROM objects WHERE digest = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Known {
        key: row.try_get("key_id")?,
        team: row.try_get("team_id")?,
        model: row.try_get("model")?,
        endpoint: row.try_get("endpoint")?,
        // One that was booked before minutes were is taken from the first of its day.
        minute: match row.try_get::<Option<i64>, _>("minute")? {
            Some(minute) => minute,
            None => row.try_get::<i64, _>("day")?.saturating_mul(DAY_MINUTES),
        },
        made: row.try_get::<i64, _>("made")? != 0,
        settled: row.try_get::<Option<i64>, _>("settled_at")?.is_some(),
        booked: Amounts::read(&row)?,
    }))
}

/// A value of a column.
enum Value<'a> {
    Number(Option<i64>),
    Text(&'a str),
    Bytes(Option<&'a [u8; 16]>),
}

struct New<'a> {
    id: &'a ObjectId,
    kind: Kind,
    of: Option<ObjectId>,
    work: Option<BatchWork>,
    made: bool,
    settled: bool,
    amounts: Amounts,
}

async fn insert(
    tx: &mut Tx,
    priced: &Priced,
    new: &New<'_>,
    started: Millis,
    now: Millis,
) -> Result<()> {
    let event = &priced.event;
    let work = |part: fn(&BatchWork) -> u64| new.work.as_ref().map(part).map(signed);
    let columns: [(&str, Value<'_>); 16] = [
        ("digest", Value::Bytes(Some(new.id.as_bytes()))),
        ("key_id", Value::Text(event.key.as_str())),
        ("team_id", Value::Text(event.team.as_str())),
        ("tier", Value::Text(event.tier.as_str())),
        (
            "model",
            Value::Text(event.model.as_ref().map_or("", |m| m.as_str())),
        ),
        ("kind", Value::Text(new.kind.name())),
        (
            "parent",
            Value::Bytes(new.of.as_ref().map(ObjectId::as_bytes)),
        ),
        ("work_requests", Value::Number(work(|w| w.requests))),
        ("work_input", Value::Number(work(|w| w.input))),
        ("work_output", Value::Number(work(|w| w.output))),
        ("day", Value::Number(Some(started.day()))),
        ("minute", Value::Number(Some(minute_of(started)))),
        ("endpoint", Value::Text(event.endpoint_group.as_str())),
        ("created_at", Value::Number(Some(now.0))),
        ("made", Value::Number(Some(new.made.into()))),
        ("settled_at", Value::Number(new.settled.then_some(now.0))),
    ];
    let names = columns.iter().map(|(name, _)| *name);
    let names: Vec<&str> = names.chain(Amounts::columns()).collect();
    let places: Vec<String> = (1..=names.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "INSERT INTO objects ({}) VALUES ({})",
        names.join(", "),
        places.join(", ")
    );
    let mut query = sqlx::query(&sql);
    for (_, value) in columns {
        query = match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes.map(|b| b.to_vec())),
        };
    }
    for amount in new.amounts.values() {
        query = query.bind(amount);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

async fn settle(tx: &mut Tx, id: &ObjectId, amounts: &Amounts, now: Millis) -> Result<()> {
    let columns = (3..).zip(Amounts::columns());
    let set: Vec<String> = columns.map(|(n, c)| format!("{c} = ${n}")).collect();
    let sql = format!(
        "UPDATE objects SET settled_at = $2, {} WHERE digest = $1",
        set.join(", ")
    );
    let mut query = sqlx::query(&sql).bind(id.as_bytes().to_vec()).bind(now.0);
    for amount in amounts.values() {
        query = query.bind(amount);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
