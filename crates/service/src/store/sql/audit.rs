//! The audit log, read. What happens is written to it by [`super::note`], in the change's own transaction.

use super::{Store, cursor, rows};
use crate::clock::Millis;
use crate::store::{AuditEntry, AuditFilter, Page, PageRequest, Result, StoreError};

impl Store {
    /// The audit log, the latest first. An index answers each filter alone, and those by actor and action within a team too,
    /// so that a page costs as much in a long log as in a short one.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>> {
        let mut sql = "SELECT * FROM audit WHERE 1 = 1".to_owned();
        let mut numbers = Vec::new();
        for (condition, value) in [("at >=", filter.from), ("at <", filter.to)] {
            if let Some(Millis(at)) = value {
                numbers.push(at);
                sql.push_str(&format!(" AND {condition} ${}", numbers.len()));
            }
        }
        if let Some(after) = page.after.as_deref() {
            let seq = cursor::seq(Some(after))?;
            numbers.extend([self.audited_at(seq).await?, seq]);
            let last = numbers.len();
            sql.push_str(&format!(" AND (at, seq) < (${}, ${last})", last - 1));
        }
        let mut texts = Vec::new();
        for (column, value) in [
            ("team_id", filter.team.as_ref().map(|t| t.as_str())),
            ("subject", filter.subject.as_deref()),
            ("actor", filter.actor.as_deref()),
            ("action", filter.action.as_deref()),
        ] {
            if let Some(value) = value {
                texts.push(value);
                sql.push_str(&format!(" AND {column} = ${}", numbers.len() + texts.len()));
            }
        }
        let last = numbers.len() + texts.len() + 1;
        sql.push_str(&format!(" ORDER BY at DESC, seq DESC LIMIT ${last}"));
        let mut query = sqlx::query(&sql);
        for number in numbers {
            query = query.bind(number);
        }
        for text in texts {
            query = query.bind(text);
        }
        let found = query
            .bind(i64::from(page.limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        let items = found.iter().map(rows::audit).collect::<Result<Vec<_>>>()?;
        Ok(cursor::cut(items, page.limit, |entry| {
            entry.seq.to_string()
        }))
    }

    /// When the entry was made that a page ended with.
    async fn audited_at(&self, seq: i64) -> Result<i64> {
        sqlx::query_scalar("SELECT at FROM audit WHERE seq = $1")
            .bind(seq)
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::BadCursor)
    }

    /// The audit log after `seq`, the oldest first.
    pub async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<AuditEntry>> {
        let found = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::audit).collect()
    }
}
