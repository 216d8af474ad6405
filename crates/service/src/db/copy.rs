//! A whole database into another one, of the same kind or of the other.
//!
//! All rows of all tables, from one moment of the source, in one transaction of the target, which is compared before it is
//! committed. Epoch and versions are copied too: the history goes on in the target, and the source must not be served
//! from any more.

use futures::TryStreamExt;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row};

use super::raw::{Holds, Kind, Raw, Table};
use super::{DbError, Lock, Result};
use crate::config::Database;
use crate::secret;

/// How many rows one statement has: within the variables that SQLite allows, whatever the columns.
const AT_ONCE: usize = 100;

/// What was copied.
#[derive(Debug, Serialize)]
pub struct Copied {
    /// Each table with its rows.
    pub rows: Vec<(String, u64)>,
}

/// Copies what `from` has into `to`, which must have nothing in it; a SQLite file is made.
///
/// # Errors
/// Where `to` has something in it or is in use, `from` is of another version, or the two are not equal afterwards; then
/// `to` has nothing of it.
pub async fn copy(from: &Database, to: &Database) -> Result<Copied> {
    let _lock = match to {
        Database::Sqlite(path) => {
            let lock = Lock::alone(path)?;
            match secret::private_file(path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(DbError::file(path)(cause));
                }
                _ => Some(lock),
            }
        }
        Database::Postgres(_) => None,
    };
    let mut source = Raw::open(from, "mode=ro").await?;
    let mut target = Raw::open(to, "mode=rw").await?;
    target.migrate().await?;
    let tables = target.tables().await?;
    let known = source.tables().await?;
    if names(&known) != names(&tables) {
        return Err(DbError::Refused(
            "the database is of another version of gmtech: start that version's, or this one's, gmtech serve on it once".into(),
        ));
    }
    for table in &tables {
        let rows = target
            .number(&format!("SELECT COUNT(*) FROM {}", table.name))
            .await?;
        if rows > 0 && table.name != "meta" {
            return Err(DbError::Refused(format!(
                "the target has rows in {}: name an empty database",
                table.name
            )));
        }
    }
    source
        .run(match source.kind {
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })
        .await?;
    target.run("BEGIN").await?;
    target.run("DELETE FROM meta").await?;
    let mut rows = Vec::new();
    for table in &tables {
        let count = copy_table(&mut source, &mut target, table).await?;
        rows.push((table.name.clone(), count));
    }
    for table in &tables {
        let sql = fingerprint(table);
        let (there, here) = (
            prints(&mut source, &sql).await?,
            prints(&mut target, &sql).await?,
        );
        if there != here {
            return Err(DbError::Damaged(format!(
                "{} is not the same after copying: {there:?} became {here:?}",
                table.name
            )));
        }
        if let (Kind::Postgres, Some(column)) = (target.kind, &table.identity) {
            let name = &table.name;
            target
                .number(&format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), COALESCE(MAX({column}), 1),
                         MAX({column}) IS NOT NULL) FROM {name}"
                ))
                .await?;
        }
    }
    target.run("COMMIT").await?;
    source.run("ROLLBACK").await?;
    target.close().await?;
    source.close().await?;
    Ok(Copied { rows })
}

/// What must be alike; the order of columns need not be.
fn names(tables: &[Table]) -> Vec<(&str, Vec<(&str, Holds)>)> {
    tables
        .iter()
        .map(|table| {
            let mut columns: Vec<_> = table
                .columns
                .iter()
                .map(|(c, h)| (c.as_str(), *h))
                .collect();
            columns.sort_by_key(|(name, _)| *name);
            (table.name.as_str(), columns)
        })
        .collect()
}

async fn copy_table(source: &mut Raw, target: &mut Raw, table: &Table) -> Result<u64> {
    let columns: Vec<&str> = table
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let read = format!("SELECT {} FROM {}", columns.join(", "), table.name);
    let mut found = sqlx::query(&read).fetch(&mut source.sql);
    let mut waiting = Vec::with_capacity(AT_ONCE);
    let mut count = 0;
    loop {
        let next = found.try_next().await?;
        let last = next.is_none();
        waiting.extend(next);
        if waiting.len() == AT_ONCE || (last && !waiting.is_empty()) {
            insert(target, table, &columns, &waiting).await?;
            count += u64::try_from(waiting.len()).unwrap_or(0);
            waiting.clear();
        }
        if last {
            return Ok(count);
        }
    }
}

async fn insert(target: &mut Raw, table: &Table, columns: &[&str], rows: &[AnyRow]) -> Result<()> {
    let row = |at: usize| {
        let names: Vec<String> = (1..=columns.len())
            .map(|c| format!("${}", at * columns.len() + c))
            .collect();
        format!("({})", names.join(", "))
    };
    let overriding = match table.identity {
        Some(_) => "OVERRIDING SYSTEM VALUE ",
        None => "",
    };
    let sql = format!(
        "INSERT INTO {} ({}) {overriding}VALUES {}",
        table.name,
        columns.join(", "),
        (0..rows.len()).map(row).collect::<Vec<_>>().join(", ")
    );
    let mut query = sqlx::query(&sql);
    for row in rows {
        for (at, (name, holds)) in table.columns.iter().enumerate() {
            // The ledger's rows, which follow, move it to where it was.
            if table.name == "teams" && name == "balance" {
                query = query.bind(0_i64);
            } else {
                query = bind(query, row, at, *holds)?;
            }
        }
    }
    query.execute(&mut target.sql).await?;
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, Any, sqlx::any::AnyArguments<'q>>;

fn bind<'q>(query: Query<'q>, row: &AnyRow, at: usize, holds: Holds) -> Result<Query<'q>> {
    Ok(match holds {
        Holds::Numbers => query.bind(row.try_get::<Option<i64>, _>(at)?),
        Holds::Texts => query.bind(row.try_get::<Option<String>, _>(at)?),
        Holds::Bytes => query.bind(row.try_get::<Option<Vec<u8>>, _>(at)?),
    })
}

/// A question whose answer is the same for equal tables on both kinds of database: how many rows, and a sum over each
/// column.
fn fingerprint(table: &Table) -> String {
    let mut sums = vec!["CAST(COUNT(*) AS BIGINT)".to_owned()];
    for (name, holds) in &table.columns {
        let of = match holds {
            Holds::Numbers => format!("{name} % 1000000007"),
            Holds::Texts | Holds::Bytes => format!("LENGTH({name})"),
        };
        sums.push(format!("CAST(COALESCE(SUM({of}), 0) AS BIGINT)"));
    }
    format!("SELECT {} FROM {}", sums.join(", "), table.name)
}

async fn prints(raw: &mut Raw, sql: &str) -> Result<Vec<i64>> {
    let row = sqlx::query(sql).fetch_one(&mut raw.sql).await?;
    (0..row.len()).map(|at| Ok(row.try_get(at)?)).collect()
}
