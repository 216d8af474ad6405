//! Whether a database is whole: the file, the schema, and the laws that its sums keep.

use serde::Serialize;
use sqlx::Row;

use super::raw::{Kind, Raw};
use super::{DbError, Result};
use crate::clock::{Millis, day_name};
use crate::config::Database;
use crate::store::{LARGEST_SUM, sum_of};

/// The most problems of one kind that are named.
const MOST: usize = 10;

/// For how many days objects are surely known: what they make of usage is not looked for beyond.
const OBJECTS_KNOWN_DAYS: i64 = 59;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Check {
    /// What is wrong, a sentence each. None: the database is whole.
    pub problems: Vec<String>,
    /// The version of the last change.
    pub version: i64,
    /// Its keys.
    pub keys: i64,
    /// Its teams.
    pub teams: i64,
    /// Single events.
    pub events: i64,
}

/// Looks at everything, without changing anything. A service may go on meanwhile.
///
/// # Errors
/// Where the database cannot be opened, or is none of ours.
pub async fn check(database: &Database) -> Result<Check> {
    let mut raw = Raw::open(database, "mode=ro").await?;
    // What is read must be of one moment.
    raw.run(match raw.kind {
        Kind::Sqlite => "BEGIN",
        Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    })
    .await?;
    let mut found = Check::default();
    if let Err(error) = whole(&mut raw).await {
        found.problems.push(error.to_string());
        return Ok(found);
    }
    found.version = raw.number("SELECT version FROM meta").await?;
    for (count, table) in [
        (&mut found.keys, "keys"),
        (&mut found.teams, "teams"),
        (&mut found.events, "events"),
    ] {
        *count = raw.number(&format!("SELECT COUNT(*) FROM {table}")).await?;
    }
    schema(&mut raw, &mut found).await?;
    balances(&mut raw, &mut found).await?;
    ledgers(&mut raw, &mut found).await?;
    days(&mut raw, &mut found).await?;
    daily(&mut raw, &mut found).await?;
    raw.run("ROLLBACK").await?;
    raw.close().await?;
    Ok(found)
}

/// SQLite's own check of a file.
///
/// # Errors
/// [`DbError::Damaged`] with what SQLite found.
pub(super) async fn whole(raw: &mut Raw) -> Result<()> {
    if raw.kind != Kind::Sqlite {
        return Ok(());
    }
    let mut found = Vec::new();
    for row in raw.rows("PRAGMA integrity_check").await? {
        found.push(row.try_get::<String, _>(0)?);
    }
    found.retain(|line| line != "ok");
    for row in raw.rows("PRAGMA foreign_key_check").await? {
        let table: String = row.try_get(0)?;
        found.push(format!("a row of {table} names one that is not there"));
    }
    match found.first() {
        None => Ok(()),
        Some(first) => Err(DbError::Damaged(format!("the file is damaged: {first}"))),
    }
}

async fn schema(raw: &mut Raw, found: &mut Check) -> Result<()> {
    let known = sqlx::migrate!("migrations/sqlite");
    let newest = known
        .migrations
        .iter()
        .map(|m| m.version)
        .max()
        .unwrap_or(0);
    let has = raw
        .number("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM _sqlx_migrations")
        .await?;
    if has > newest {
        found.problems.push(format!(
            "the schema ({has}) is of a newer gmtech than this one ({newest})"
        ));
    }
    if has < newest {
        found.problems.push(format!(
            "the schema ({has}) is of an older gmtech than this one ({newest}): gmtech serve brings it up to date"
        ));
    }
    Ok(())
}

/// A balance is the sum of the team's ledger, and a credit is exhausted when that says so.
async fn balances(raw: &mut Raw, found: &mut Check) -> Result<()> {
    let sql = format!(
        "SELECT t.id, t.balance, COALESCE((SELECT {} FROM ledger l WHERE l.team_id = t.id), 0) AS due FROM teams t
         ORDER BY t.id",
        sum_of("l.amount")
    );
    let mut wrong = Vec::new();
    for row in raw.rows(&sql).await? {
        let (team, is, due): (String, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if is != due {
            wrong.push(format!(
                "the balance of {team} is {is}, and the sum of its ledger {due} nano-dollars"
            ));
        }
    }
    name(found, wrong);
    let sql = "SELECT id FROM teams WHERE exhausted <> CASE WHEN prepaid = 1 AND balance <= 0 THEN 1 ELSE 0 END";
    let mut wrong = Vec::new();
    for row in raw.rows(sql).await? {
        let team: String = row.try_get(0)?;
        wrong.push(format!("the credit of {team} is not what its balance says"));
    }
    name(found, wrong);
    Ok(())
}

/// What a key was charged is what its days cost.
async fn ledgers(raw: &mut Raw, found: &mut Check) -> Result<()> {
    let sql = format!(
        "SELECT d.key_id, d.team_id, d.cost, COALESCE((SELECT {} FROM ledger l
                 WHERE l.team_id = d.team_id AND l.key_id = d.key_id AND l.actor = 'usage'), 0) AS charged
         FROM (SELECT key_id, team_id, {} AS cost FROM usage_daily GROUP BY key_id, team_id) d ORDER BY d.key_id",
        sum_of("l.amount"),
        sum_of("cost")
    );
    let mut wrong = Vec::new();
    for row in raw.rows(&sql).await? {
        let key: String = row.try_get(0)?;
        let (cost, charged): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        if cost.saturating_neg() != charged {
            wrong.push(format!(
                "the usage of {key} costs {cost}, and its ledger says {charged} nano-dollars"
            ));
        }
    }
    name(found, wrong);
    Ok(())
}

/// A day's sums are those of its events, as long as these are kept. Not for keys with objects, which are booked otherwise.
async fn days(raw: &mut Raw, found: &mut Check) -> Result<()> {
    let closed = raw.number("SELECT closed_before_day FROM meta").await?;
    let known = Millis::now().day() - OBJECTS_KNOWN_DAYS;
    let sums = |table: &str, requests: &str| {
        format!(
            "SELECT day, key_id, {} AS requests, {} AS total, {} AS cost FROM {table} x
             WHERE day >= {} AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.key_id = x.key_id) GROUP BY day, key_id",
            sum_of(requests),
            sum_of("total"),
            sum_of("cost"),
            closed.max(known)
        )
    };
    let sql = format!(
        "SELECT COALESCE(d.day, e.day) AS day, COALESCE(d.key_id, e.key_id) AS key_id
         FROM ({}) d FULL OUTER JOIN ({}) e ON d.day = e.day AND d.key_id = e.key_id
         WHERE d.day IS NULL OR e.day IS NULL OR d.requests <> e.requests OR d.total <> e.total OR d.cost <> e.cost
         ORDER BY 1, 2",
        sums("usage_daily", "requests"),
        sums("events", "requests")
    );
    let mut wrong = Vec::new();
    for row in raw.rows(&sql).await? {
        let (day, key): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        wrong.push(format!(
            "the sums of {key} on {} are not those of its events",
            day_name(day)
        ));
    }
    name(found, wrong);
    Ok(())
}

/// The sums of each team and of each key by the day are those of what they sum.
async fn daily(raw: &mut Raw, found: &mut Check) -> Result<()> {
    for (table, of, what, parts) in [
        ("usage_team_daily", "team_id", "the team ", "its keys"),
        ("usage_key_daily", "key_id", "", "its models"),
    ] {
        let sums = |table: &str| {
            format!(
                "SELECT day, {of} AS subject, {} AS requests, {} AS total, {} AS cost FROM {table} GROUP BY day, {of}",
                sum_of("requests"),
                sum_of("total"),
                sum_of("cost")
            )
        };
        // Beyond what a column holds the two need not agree.
        let differs = |sum: &str| {
            format!(
                "(k.{sum} <> t.{sum} AND ABS(k.{sum}) < {LARGEST_SUM} AND ABS(t.{sum}) < {LARGEST_SUM})"
            )
        };
        let sql = format!(
            "SELECT COALESCE(k.day, t.day) AS day, COALESCE(k.subject, t.subject) AS subject
             FROM ({}) k FULL OUTER JOIN ({}) t ON k.day = t.day AND k.subject = t.subject
             WHERE k.day IS NULL OR t.day IS NULL OR {} ORDER BY 1, 2",
            sums("usage_daily"),
            sums(table),
            ["requests", "total", "cost"].map(differs).join(" OR ")
        );
        let mut wrong = Vec::new();
        for row in raw.rows(&sql).await? {
            let (day, subject): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
            wrong.push(format!(
                "the sums of {what}{subject} on {} are not those of {parts}",
                day_name(day)
            ));
        }
        name(found, wrong);
    }
    Ok(())
}

fn name(found: &mut Check, mut wrong: Vec<String>) {
    let more = wrong.len().saturating_sub(MOST);
    wrong.truncate(MOST);
    found.problems.append(&mut wrong);
    if more > 0 {
        found.problems.push(format!("and {more} more like this"));
    }
}
