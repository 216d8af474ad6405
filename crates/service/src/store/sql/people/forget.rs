//! Accounts of which nothing is left.

use serde_json::json;

use super::{remove, rows};
use crate::clock::Millis;
use crate::store::sql::{Store, note};
use crate::store::{By, Result};

/// Accounts that nobody misses: who signs in again gets the same by a link or by the provider. They have no password, administer
/// nothing, belong to no team, are invited into none, and have no session.
const IDLE: &str = "p.password IS NULL AND p.admin = 0 AND p.created_at < $1 AND COALESCE(p.last_sign_in_at, 0) < $1
    AND NOT EXISTS (SELECT 1 FROM members m WHERE LOWER(m.email) = p.email)
    AND NOT EXISTS (SELECT 1 FROM invitations i WHERE i.email = p.email AND i.accepted_at IS NULL AND i.revoked_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM sign_in_links l WHERE l.email = p.email)
    AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.person_id = p.id)";

/// The most accounts that are removed in one transaction.
const AT_ONCE: u32 = 100;

impl Store {
    /// Removes accounts of which nothing is left and that nobody has signed in to since `before`, and what providers call
    /// them. Returns how many.
    pub async fn forget_people(&self, before: Millis, by: &By) -> Result<usize> {
        let sql = format!("SELECT p.* FROM people p WHERE {IDLE} ORDER BY p.id LIMIT {AT_ONCE}");
        // Most of the time there is none, and nothing needs to be written.
        let any = sqlx::query(&sql)
            .bind(before.0)
            .fetch_optional(&self.readers);
        if any.await?.is_none() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let found = sqlx::query(&sql).bind(before.0).fetch_all(&mut *tx).await?;
        for row in &found {
            let person = rows::person(row)?;
            remove(&mut tx, &person.id).await?;
            let detail = json!({"email": person.email, "why": "nothing was left of it"});
            note(&mut tx, by, "person.remove", &person.id, None, detail).await?;
        }
        self.commit(tx).await?;
        Ok(found.len())
    }
}
