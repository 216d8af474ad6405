//! What is recorded of single requests.

use gmtech_core::ident::TeamId;

use super::{Store, rows};
use crate::store::{RequestRecord, Result};

/// The most records of one request that are given: its own, and those of objects that it was shown.
const MAX_RECORDS: i64 = 100;

impl Store {
    /// What is recorded of one request; only of `team` if given.
    pub async fn request(&self, id: &str, team: Option<&TeamId>) -> Result<Vec<RequestRecord>> {
        // The index is partial: it has only requests with an id, so the query must say that the id is not empty.
        let found = sqlx::query(
            "SELECT e.*, k.name AS key_name, k.redacted AS key_redacted FROM events e LEFT JOIN keys k ON k.id = e.key_id
             WHERE e.request_id = $1 AND e.request_id <> '' AND ($2 IS NULL OR e.team_id = $2)
             ORDER BY e.started_at, e.id LIMIT $3",
        )
        .bind(id)
        .bind(team.map(|t| t.as_str().to_owned()))
        .bind(MAX_RECORDS)
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(rows::request).collect()
    }
}
