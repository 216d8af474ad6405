//! Objects that providers keep: what is booked for each, once, in whatever order proxies tell of it.
//!
//! # How one is booked
//! The request that made an object is booked as it was charged; what the object has used in the end replaces that. So the
//! sum booked for it is what it used, if that is known, else what its maker was charged. What the end adds counts on the day
//! it was learned, so that a budget of that day sees it; what it takes away is taken from the day on which it had been
//! booked, so that no day's sum falls below zero.

use gmtech_core::decision::Decision;
use gmtech_core::ident::TierName;
use gmtech_core::model::ModelId;
use gmtech_core::objects::{BatchWork, Kind, Object, ObjectId, ObjectNote};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::sums::{SUMS, Slot, Sums, minute_of};
use super::{Store, Tx, rows, signed, unsigned};
use crate::clock::{DAY_MINUTES, Millis};
use crate::store::{Priced, Result, StoreError};

/// The columns of what is booked: those of daily sums without the requests.
type Columns = [i64; 10];

/// What a row of sums changes by.
#[derive(Debug, PartialEq)]
pub(super) struct Booked {
    team: String,
    key: String,
    model: String,
    endpoint: String,
    minute: i64,
    requests: i64,
    columns: Columns,
    at: Millis,
}

impl Booked {
    /// Where and what to add.
    pub(super) fn sums(&self) -> (Slot<'_>, Sums) {
        let slot = Slot {
            minute: self.minute,
            team: &self.team,
            key: &self.key,
            model: &self.model,
            endpoint: &self.endpoint,
            decision: Decision::Allowed.name(),
        };
        let mut columns = [0; 11];
        let values = std::iter::once(self.requests).chain(self.columns);
        for (column, value) in columns.iter_mut().zip(values) {
            *column = value;
        }
        (slot, Sums::of(columns, self.at))
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
    booked: Columns,
}

/// Books new events that tell of objects.
pub(super) async fn book(
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
    let columns = Sums::columns_of(priced);
    let change = |requests, columns| Booked {
        team: event.team.as_str().into(),
        key: event.key.as_str().into(),
        model: event.model.as_ref().map_or("", |m| m.as_str()).into(),
        endpoint: event.endpoint_group.as_str().into(),
        minute: minute_of(started),
        requests,
        columns,
        at: started,
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
                    columns,
                };
                insert(tx, priced, &new, started, now).await?;
                booked.push(change(1, columns));
            }
            // What it used is booked already: the request counts, and nothing more.
            Some(known) if !known.made && known.key == event.key.as_str() => {
                sqlx::query("UPDATE objects SET made = 1, kind = $2 WHERE digest = $1")
                    .bind(id.as_bytes().to_vec())
                    .bind(kind_name(*kind))
                    .execute(&mut **tx)
                    .await?;
                booked.push(change(1, if known.settled { [0; 10] } else { columns }));
            }
            Some(_) => booked.push(change(1, columns)),
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
                    columns: [0; 10],
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
                    columns,
                };
                insert(tx, priced, &new, started, now).await?;
                booked.push(change(0, columns));
            }
            Some(known) if known.settled => {}
            Some(known) => {
                settle(tx, id, &columns, now).await?;
                booked.extend(known.difference(columns, started));
            }
        },
    }
    Ok(())
}

impl Known {
    /// What the end adds, now, and what it takes away, from when the object was booked.
    fn difference(self, columns: Columns, at: Millis) -> Vec<Booked> {
        let (mut more, mut less) = ([0; 10], [0; 10]);
        for (((more, less), new), old) in
            more.iter_mut().zip(&mut less).zip(columns).zip(self.booked)
        {
            let change = new.saturating_sub(old);
            (*more, *less) = (change.max(0), change.min(0));
        }
        let change = |minute, columns| Booked {
            team: self.team.clone(),
            key: self.key.clone(),
            model: self.model.clone(),
            endpoint: self.endpoint.clone(),
            minute,
            requests: 0,
            columns,
            at,
        };
        [change(minute_of(at), more), change(self.minute, less)]
            .into_iter()
            .filter(|b| b.columns != [0; 10])
            .collect()
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Response => "response",
        Kind::Completion => "completion",
        Kind::Batch => "batch",
        Kind::File => "file",
        Kind::Other => "other",
    }
}

async fn load(tx: &mut Tx, id: &ObjectId) -> Result<Option<Known>> {
    let row = sqlx::query("SELECT * FROM objects WHERE digest = $1")
        .bind(id.as_bytes().to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut booked = [0; 10];
    for (column, name) in booked.iter_mut().zip(SUMS.iter().skip(1)) {
        *column = row.try_get(*name)?;
    }
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
        booked,
    }))
}

struct New<'a> {
    id: &'a ObjectId,
    kind: Kind,
    of: Option<ObjectId>,
    work: Option<BatchWork>,
    made: bool,
    settled: bool,
    columns: Columns,
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
    let mut query = sqlx::query(
        "INSERT INTO objects (digest, key_id, team_id, tier, model, kind, parent, work_requests, work_input, work_output,
             day, minute, endpoint, created_at, made, settled_at, input, cached_input, cache_write, audio_input, output,
             reasoning, audio_output, total, not_exact, cost)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
             $23, $24, $25, $26)",
    )
    .bind(new.id.as_bytes().to_vec())
    .bind(event.key.as_str())
    .bind(event.team.as_str())
    .bind(event.tier.as_str())
    .bind(event.model.as_ref().map_or("", |m| m.as_str()))
    .bind(kind_name(new.kind))
    .bind(new.of.map(|of| of.as_bytes().to_vec()))
    .bind(work(|w| w.requests))
    .bind(work(|w| w.input))
    .bind(work(|w| w.output))
    .bind(started.day())
    .bind(minute_of(started))
    .bind(event.endpoint_group.as_str())
    .bind(now.0)
    .bind(i64::from(new.made))
    .bind(new.settled.then_some(now.0));
    for column in new.columns {
        query = query.bind(column);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

async fn settle(tx: &mut Tx, id: &ObjectId, columns: &Columns, now: Millis) -> Result<()> {
    let mut query = sqlx::query(
        "UPDATE objects SET settled_at = $2, input = $3, cached_input = $4, cache_write = $5, audio_input = $6,
             output = $7, reasoning = $8, audio_output = $9, total = $10, not_exact = $11, cost = $12
         WHERE digest = $1",
    )
    .bind(id.as_bytes().to_vec())
    .bind(now.0);
    for column in columns {
        query = query.bind(*column);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

fn object(row: &AnyRow) -> Result<Object> {
    let kind = match row.try_get::<String, _>("kind")?.as_str() {
        "response" => Kind::Response,
        "completion" => Kind::Completion,
        "batch" => Kind::Batch,
        "file" => Kind::File,
        "other" => Kind::Other,
        _ => return Err(StoreError::Corrupt("kind of an object")),
    };
    let parent: Option<Vec<u8>> = row.try_get("parent")?;
    let parent = parent.map(|p| p.try_into().map(ObjectId::from_bytes));
    let model: String = row.try_get("model")?;
    let count = |name: &str| -> Result<Option<u64>> {
        row.try_get::<Option<i64>, _>(name)?
            .map(unsigned)
            .transpose()
    };
    let work = match count("work_requests")? {
        Some(requests) => Some(BatchWork {
            requests,
            input: count("work_input")?.unwrap_or(0),
            output: count("work_output")?.unwrap_or(0),
        }),
        None => None,
    };
    let key = rows::key_id(row.try_get("key_id")?)?;
    let lineage: String = row.try_get("lineage")?;
    let lineage = (!lineage.is_empty())
        .then(|| rows::key_id(lineage))
        .transpose()?;
    Ok(Object {
        key: key.clone(),
        team: rows::team_id(row.try_get("team_id")?)?,
        tier: TierName::try_from(row.try_get::<String, _>("tier")?)
            .map_err(|_| StoreError::Corrupt("tier"))?,
        limits: rows::limits(&row.try_get::<String, _>("limits")?)?,
        model: ModelId::new(&model).ok(),
        kind,
        of: parent
            .transpose()
            .map_err(|_| StoreError::Corrupt("digest"))?,
        work,
        charged: unsigned(row.try_get::<i64, _>("total")?.max(0))?,
        settled: row.try_get::<Option<i64>, _>("settled_at")?.is_some(),
        lineage: lineage.filter(|first| *first != key),
    })
}

impl Store {
    /// What is known of each.
    pub async fn objects(&self, ids: &[ObjectId]) -> Result<Vec<(ObjectId, Option<Object>)>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let row = sqlx::query(
                "SELECT o.*, k.limits, k.lineage FROM objects o JOIN keys k ON k.id = o.key_id WHERE o.digest = $1 AND o.made = 1",
            )
            .bind(id.as_bytes().to_vec())
            .fetch_optional(&self.readers)
            .await?;
            found.push((*id, row.as_ref().map(object).transpose()?));
        }
        Ok(found)
    }

    /// Drops responses and completions of before `before`, which providers have dropped too; gives how many.
    pub async fn forget_objects(&self, before: Millis) -> Result<u64> {
        let mut tx = self.begin().await?;
        let dropped = sqlx::query(
            "DELETE FROM objects WHERE created_at < $1 AND kind IN ('response', 'completion')",
        )
        .bind(before.0)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await?;
        Ok(dropped.rows_affected())
    }
}
