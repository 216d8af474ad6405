//! The audit log, read. What happens is written to it by [`super::note`], in the change's own transaction.

use super::keys::cut;
use super::{SqlStore, cursor, rows};
use crate::store::{AuditEntry, AuditFilter, Page, PageRequest, Result};

pub(super) async fn page(
    store: &SqlStore,
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
        .fetch_all(&store.readers)
        .await?;
    let items = found.iter().map(rows::audit).collect::<Result<Vec<_>>>()?;
    Ok(cut(items, page.limit, |entry| entry.seq.to_string()))
}
