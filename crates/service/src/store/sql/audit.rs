//! The audit log, read. What happens is written to it by [`super::note`], in the change's own transaction.

use super::{Store, cursor, rows};
use crate::store::{AuditEntry, AuditFilter, Page, PageRequest, Result};

impl Store {
    /// The audit log, the newest first.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>> {
        let before = cursor::seq(page.after.as_deref())?;
        let mut sql = "SELECT * FROM audit WHERE seq < $1".to_owned();
        let mut texts = Vec::new();
        for (column, value) in [
            ("team_id", filter.team.as_ref().map(|t| t.as_str())),
            ("subject", filter.subject.as_deref()),
        ] {
            if let Some(value) = value {
                texts.push(value.to_owned());
                sql.push_str(&format!(" AND {column} = ${}", texts.len() + 1));
            }
        }
        sql.push_str(&format!(" ORDER BY seq DESC LIMIT ${}", texts.len() + 2));
        let mut query = sqlx::query(&sql).bind(before);
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
