//! Refused requests of single keys in the last minutes, by reason.

use std::collections::BTreeMap;

use gmtech_core::ident::KeyId;
use sqlx::Row;

use super::reports::{Statement, Value, refuses};
use crate::store::Result;
use crate::store::sql::Store;
use crate::store::sql::sums::sum_of;

impl Store {
    /// The refused requests of these keys from one minute since the Unix epoch up to another, which does not belong to it: by key
    /// and reason. A key without any has nothing. At most some hundred keys at once.
    pub async fn refusals_of_keys(
        &self,
        keys: &[KeyId],
        (from, to): (i64, i64),
    ) -> Result<BTreeMap<String, BTreeMap<String, i64>>> {
        let mut refused: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        if keys.is_empty() {
            return Ok(refused);
        }
        let mut statement = Statement::default();
        let sql = select(&mut statement, keys, (from, to));
        for row in statement.query(&sql).fetch_all(&self.readers).await? {
            let (key, reason): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if refuses(&reason) {
                let of_key = refused.entry(key).or_default();
                of_key.insert(reason, row.try_get(2)?);
            }
        }
        Ok(refused)
    }
}

fn select(statement: &mut Statement, keys: &[KeyId], (from, to): (i64, i64)) -> String {
    let keys = statement.texts(keys.iter().map(KeyId::as_str));
    let from = statement.bind(Value::Number(from));
    let to = statement.bind(Value::Number(to));
    // The condition on the decision is that of the index.
    format!(
        "SELECT u.key_id, u.decision, {} FROM usage_minutely u
         WHERE u.key_id IN ({keys}) AND u.minute >= {from} AND u.minute < {to} AND u.decision <> 'allowed' GROUP BY u.key_id, u.decision",
        sum_of("u.requests")
    )
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    /// What is read are refusals of these keys, however much else was used.
    #[tokio::test]
    async fn refusals_are_found_by_an_index_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gmtech.db");
        let _store = Store::sqlite(&path).await.unwrap();
        let url = format!("sqlite://{}", path.display());
        let mut raw = sqlx::AnyConnection::connect(&url).await.unwrap();
        let mut statement = Statement::default();
        let keys = ["key_1", "key_2"].map(|id| id.parse().unwrap());
        let sql = select(&mut statement, &keys, (1, 61));
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let steps = statement.query(&explain).fetch_all(&mut raw).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get(3)).collect();
        let expected =
            "SEARCH u USING INDEX usage_minutely_refused (key_id=? AND minute>? AND minute<?)";
        assert!(steps.iter().any(|step| step == expected), "{steps:?}");
    }
}
