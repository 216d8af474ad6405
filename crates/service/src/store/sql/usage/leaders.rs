//! The groups that lead: those with the most requests, refusals, tokens or cost.

use std::collections::BTreeMap;

use gmtech_core::decision::{Decision, Outcome};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::key_days;
use super::reports::{Statement, Value, from};
use crate::store::sql::Store;
use crate::store::{Result, UsageQuery};

/// What groups are ranked by, as columns of a row of sums.
const MEASURES: [&str; 4] = ["requests", "refused", "total", "cost"];

/// The sums of each group of some rows, `u`.
fn sums(group: &str, refused: &str, rows: &str) -> String {
    // Ranks need no exact sums, and a double holds every one of them.
    let sum = |of: &str| format!("SUM(CAST({of} AS DOUBLE PRECISION))");
    format!(
        "SELECT {group} AS g, {} AS requests, {} AS refused, {} AS total, {} AS cost {rows} GROUP BY {group}",
        sum("u.requests"),
        sum(refused),
        sum("u.total"),
        sum("u.cost"),
    )
}

/// The refused requests of a row that is of one decision.
fn refused() -> String {
    let let_in: Vec<String> = Decision::ALL
        .into_iter()
        .filter(|d| d.outcome() != Outcome::Refuses)
        .map(|d| format!("'{}'", d.name()))
        .collect();
    let let_in = let_in.join(", ");
    format!("CASE WHEN u.decision IN ({let_in}) THEN 0 ELSE u.requests END")
}

impl Store {
    /// The groups with the most requests, with the most refusals, with the most tokens and with the most cost: `each` of
    /// each, every one once. They are groups of the query's first dimension; its page is not looked at.
    pub async fn usage_leaders(&self, query: &UsageQuery, each: u32) -> Result<Vec<String>> {
        let Some(dimension) = query.by.first() else {
            return Ok(Vec::new());
        };
        let mut statement = Statement::default();
        let sums = match key_days::of_team(query, &mut statement) {
            Some(rows) => sums("u.key_id", "u.refused", &rows),
            None => {
                let group = dimension.expression();
                let rows = from(query, &[group], &mut statement);
                sums(group, &refused(), &rows)
            }
        };
        let each = statement.bind(Value::Number(i64::from(each)));
        let tops: Vec<String> = MEASURES
            .iter()
            .map(|m| {
                format!(
                    "SELECT * FROM (SELECT g FROM sums WHERE {m} > 0 ORDER BY {m} DESC, g LIMIT {each}) by_{m}"
                )
            })
            .collect();
        let sql = format!(
            "WITH sums AS MATERIALIZED ({sums}) {}",
            tops.join(" UNION ")
        );
        let found = statement.query(&sql).fetch_all(&self.readers).await?;
        found.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What keys are called by their owners, by their ids; those that are gone have no name. At most a thousand.
    pub async fn key_names(&self, ids: &[String]) -> Result<BTreeMap<String, String>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut statement = Statement::default();
        let ids = statement.texts(ids.iter().map(String::as_str));
        let sql = format!("SELECT id, name FROM keys WHERE id IN ({ids})");
        let found = statement.query(&sql).fetch_all(&self.readers).await?;
        let named = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        found.iter().map(named).collect()
    }
}
