//! Usage as charts need it: few sums of many spans, in one pass over the rows of sums.

use sqlx::Row;

use super::reports::{Statement, Value, from, time};
use crate::store::sql::Store;
use crate::store::sql::sums::sum_of;
use crate::store::{Result, UsageQuery, UsageSpan};

impl Store {
    /// Usage by span, by the query's first dimension if it has one, and by decision: at most `most` rows; `None` where there
    /// are more. The query's page is not looked at.
    pub async fn usage_spans(
        &self,
        query: &UsageQuery,
        most: u32,
    ) -> Result<Option<Vec<UsageSpan>>> {
        let mut statement = Statement::default();
        let span = time(query, self.dialect).unwrap_or_else(|| "0".into());
        let group = query.by.first().map_or("''", |by| by.expression());
        let rows = from(query, &[], &mut statement);
        let limit = statement.bind(Value::Number(i64::from(most) + 1));
        let sql = format!(
            "SELECT CAST({span} AS BIGINT) AS s, {group} AS g, u.decision AS d, {} AS requests, {} AS tokens, {} AS cost
             {rows} GROUP BY 1, 2, 3 LIMIT {limit}",
            sum_of("u.requests"),
            sum_of("u.total"),
            sum_of("u.cost"),
        );
        let found = statement.query(&sql).fetch_all(&self.readers).await?;
        if found.len() > usize::try_from(most).unwrap_or(usize::MAX) {
            return Ok(None);
        }
        let mut spans = Vec::with_capacity(found.len());
        for row in found {
            let at: i64 = row.try_get(0)?;
            spans.push(UsageSpan {
                start: query.every.map(|every| every.start(at)),
                group: row.try_get(1)?,
                decision: row.try_get(2)?,
                requests: row.try_get(3)?,
                tokens: row.try_get(4)?,
                cost: row.try_get(5)?,
            });
        }
        Ok(Some(spans))
    }

    /// Whether a team has more than so many keys.
    pub async fn has_more_keys(&self, team: &str, than: u32) -> Result<bool> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT 1 FROM keys WHERE team_id = $1 LIMIT $2) AS some_keys";
        let found = sqlx::query(sql)
            .bind(team)
            .bind(i64::from(than) + 1)
            .fetch_one(&self.readers)
            .await?;
        Ok(found.try_get::<i64, _>(0)? > i64::from(than))
    }
}
