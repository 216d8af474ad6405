//! Databases past the store: connections, and what tables and columns there are.

use std::path::Path;
use std::sync::Once;

use sqlx::any::{AnyRow, install_default_drivers};
use sqlx::{AnyConnection, Connection, Executor, Row};

use super::{DbError, Result};
use crate::config::Database;

/// Which SQL it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// A connection.
pub(super) struct Raw {
    pub(super) kind: Kind,
    pub(super) sql: AnyConnection,
}

impl Raw {
    /// To a database that is there. A SQLite file is only read if `mode` says so, such as `mode=ro`.
    pub(super) async fn open(database: &Database, mode: &str) -> Result<Self> {
        let (kind, sql) = match database {
            Database::Sqlite(path) => {
                std::fs::metadata(path).map_err(DbError::file(path))?;
                (Kind::Sqlite, connect_sqlite(&sqlite_url(path, mode)).await?)
            }
            Database::Postgres(url) => {
                drivers();
                (Kind::Postgres, AnyConnection::connect(url).await?)
            }
        };
        Ok(Self { kind, sql })
    }

    pub(super) async fn run(&mut self, sql: &str) -> Result<()> {
        self.sql.execute(sql).await?;
        Ok(())
    }

    /// One number.
    pub(super) async fn number(&mut self, sql: &str) -> Result<i64> {
        Ok(sqlx::query(sql)
            .fetch_one(&mut self.sql)
            .await?
            .try_get(0)?)
    }

    /// Rows of texts and numbers.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<AnyRow>> {
        Ok(sqlx::query(sql).fetch_all(&mut self.sql).await?)
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// Where the database is of a newer program, or not ours.
    pub(super) async fn migrate(&mut self) -> Result<()> {
        let all = match self.kind {
            Kind::Sqlite => sqlx::migrate!("migrations/sqlite"),
            Kind::Postgres => sqlx::migrate!("migrations/postgres"),
        };
        all.run(&mut self.sql).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(_) => DbError::Refused(
                "the database is of a newer version of gmtech: use that one".into(),
            ),
            other => DbError::Sql(other.into()),
        })
    }

    pub(super) async fn close(self) -> Result<()> {
        Ok(self.sql.close().await?)
    }

    /// All tables with their columns; those that others refer to first.
    pub(super) async fn tables(&mut self) -> Result<Vec<Table>> {
        let found = self
            .rows(match self.kind {
                Kind::Sqlite => {
                    "SELECT t.name, c.name, UPPER(c.type), 0 FROM sqlite_master t, pragma_table_info(t.name) c
                     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY t.name, c.cid"
                }
                Kind::Postgres => {
                    "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT), UPPER(CAST(c.data_type AS TEXT)),
                         CASE WHEN c.is_identity = 'YES' THEN 1 ELSE 0 END
                     FROM information_schema.columns c JOIN information_schema.tables t
                         ON t.table_schema = c.table_schema AND t.table_name = c.table_name
                     WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
                     ORDER BY c.table_name, c.ordinal_position"
                }
            })
            .await?;
        let mut tables: Vec<Table> = Vec::new();
        for row in &found {
            let (table, column, kind): (String, String, String) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if table == "_sqlx_migrations" {
                continue;
            }
            let holds = match kind.as_str() {
                "INTEGER" | "BIGINT" => Holds::Numbers,
                "TEXT" => Holds::Texts,
                "BLOB" | "BYTEA" => Holds::Bytes,
                _ => {
                    return Err(DbError::Damaged(format!(
                        "{table}.{column} is of the unknown type {kind}"
                    )));
                }
            };
            if tables.last().is_none_or(|last| last.name != table) {
                tables.push(Table {
                    name: table,
                    columns: Vec::new(),
                    identity: None,
                });
            }
            let numbered = matches!(row.try_get::<i64, _>(3), Ok(1))
                || matches!(row.try_get::<i32, _>(3), Ok(1));
            if let Some(last) = tables.last_mut() {
                if numbered {
                    last.identity = Some(column.clone());
                }
                last.columns.push((column, holds));
            }
        }
        const FIRST: [&str; 4] = ["meta", "teams", "keys", "people"];
        tables.sort_by_key(|table| {
            FIRST
                .iter()
                .position(|first| *first == table.name)
                .unwrap_or(FIRST.len())
        });
        Ok(tables)
    }
}

/// A table.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Holds)>,
    /// The column that the server numbers by itself.
    pub(super) identity: Option<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Numbers,
    Texts,
    Bytes,
}

fn drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
}

/// The URL of a file, which may have any name.
pub(super) fn sqlite_url(path: &Path, mode: &str) -> String {
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("sqlite://{escaped}?{mode}")
}

pub(super) async fn connect_sqlite(url: &str) -> sqlx::Result<AnyConnection> {
    drivers();
    let mut sql = AnyConnection::connect(url).await?;
    sql.execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON")
        .await?;
    Ok(sql)
}
