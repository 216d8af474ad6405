//! Keys whose name, id or shown beginning begins with what is searched for. Each is found by an index, among however many keys.

use gmtech_core::ident::TeamId;

use super::{Bound, Drive, Statement, ask, bind};
use crate::store::sql::connect::Dialect;
use crate::store::sql::{Store, rows};
use crate::store::{KeyFilter, KeyInfo, Result};

/// The most keys with such a beginning that the other filters are asked of, for each of [`PLACES`].
const MOST: u32 = 500;

/// Where the text may stand.
const PLACES: [&str; 3] = ["folded", "lower(id)", "lower(redacted)"];

impl Store {
    /// Keys of the team that the filter passes and that begin with what it searches for, by name: at most `limit`. The filter's
    /// team and order are not looked at; without a text to search for there are none.
    pub async fn keys_beginning(
        &self,
        team: &TeamId,
        filter: &KeyFilter,
        limit: u32,
    ) -> Result<Vec<KeyInfo>> {
        let Some(text) = filter.search.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(Vec::new());
        };
        let (sql, bound) = select(self.dialect, team, text, filter, limit);
        let found = bind(&sql, &bound).fetch_all(&self.readers).await?;
        let mut keys = found.iter().map(rows::key).collect::<Result<Vec<_>>>()?;
        keys.sort_by_cached_key(|key| (key.name.to_lowercase(), key.record.id.clone()));
        keys.dedup_by(|a, b| a.record.id == b.record.id);
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(keys)
    }
}

fn select(
    dialect: Dialect,
    team: &TeamId,
    text: &str,
    filter: &KeyFilter,
    limit: u32,
) -> (String, Vec<Bound>) {
    // By bytes, whatever order the database's language has.
    let (from, below) = match dialect {
        Dialect::Sqlite => (">=", "<"),
        Dialect::Postgres => ("~>=~", "~<~"),
    };
    let others = KeyFilter {
        search: None,
        team: None,
        ..filter.clone()
    };
    let mut bound = Vec::new();
    let mut parts = Vec::new();
    for (number, place) in PLACES.iter().enumerate() {
        let mut walked = Statement {
            conditions: Vec::new(),
            bound,
        };
        walked.and("team_id = ?", [Bound::Text(team.to_string())]);
        let end = format!("{text}{}", char::MAX);
        let range = [Bound::Text(text.to_owned()), Bound::Text(end)];
        walked.and(&format!("{place} {from} ? AND {place} {below} ?"), range);
        let clause = walked.clause();
        let mut asked = Statement {
            conditions: Vec::new(),
            bound: walked.bound,
        };
        ask(&others, Drive::Team, &mut asked);
        parts.push(format!(
            "SELECT * FROM (SELECT keys.* FROM (SELECT * FROM keys {clause} LIMIT {MOST}) AS keys {} LIMIT {limit}) AS part{number}",
            asked.clause()
        ));
        bound = asked.bound;
    }
    (parts.join(" UNION ALL "), bound)
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row};

    use super::*;

    /// Each place has an index in which the beginning is found.
    #[tokio::test]
    async fn beginnings_are_found_by_indexes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gmtech.db");
        let store = Store::sqlite(&path).await.unwrap();
        let url = format!("sqlite://{}", path.display());
        let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
        let (team, filter) = (TeamId::new("acme").unwrap(), KeyFilter::default());
        let (sql, bound) = select(store.dialect, &team, "chec", &filter, 25);
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps = bind(&explain, &bound).fetch_all(&mut raw).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get(3)).collect();
        let ranges = |step: &&String| {
            step.contains("SEARCH keys USING INDEX")
                && step.contains("(team_id=? AND ")
                && step.contains(">? AND ")
        };
        assert_eq!(
            steps.iter().filter(ranges).count(),
            PLACES.len(),
            "{steps:?}"
        );
    }
}
