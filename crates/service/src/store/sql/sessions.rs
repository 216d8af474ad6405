//! Sessions of browsers.

use sqlx::Row;

use super::Store;
use crate::clock::Millis;
use crate::secret::TokenDigest;
use crate::store::{Result, StoreError, StoredSession};

impl Store {
    /// Stores a new session, made at `now`.
    pub async fn create_session(&self, session: &StoredSession, now: Millis) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO sessions (digest, person_id, data, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(session.digest.to_vec())
        .bind(session.person.clone())
        .bind(&*session.data)
        .bind(now.0)
        .bind(session.seen_at.0)
        .bind(session.expires_at.0)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await
    }

    /// Stores what is remembered in a session; when it ends stays as it was. One that has been ended meanwhile stays ended.
    pub async fn save_session(&self, session: &StoredSession) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE sessions SET person_id = $1, data = $2 WHERE digest = $3")
            .bind(session.person.clone())
            .bind(&*session.data)
            .bind(session.digest.to_vec())
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await
    }

    /// The session with this digest, also one that has ended by time.
    pub async fn session(&self, digest: &TokenDigest) -> Result<Option<StoredSession>> {
        let row = sqlx::query(
            "SELECT person_id, data, seen_at, expires_at FROM sessions WHERE digest = $1",
        )
        .bind(digest.to_vec())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            Ok(StoredSession {
                digest: *digest,
                person: row.try_get(0)?,
                data: row.try_get(1)?,
                seen_at: Millis(row.try_get(2)?),
                expires_at: Millis(row.try_get(3)?),
            })
        })
        .transpose()
    }

    /// Ends a session.
    pub async fn end_session(&self, digest: &TokenDigest) -> Result<()> {
        self.urgently(|| async {
            let mut tx = self.begin_urgent().await?;
            sqlx::query("DELETE FROM sessions WHERE digest = $1")
                .bind(digest.to_vec())
                .execute(&mut *tx)
                .await?;
            self.commit(tx).await
        })
        .await
    }

    /// Notes when sessions were last shown.
    pub async fn note_sessions_seen(&self, seen: &[(TokenDigest, Millis)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (digest, at) in seen {
            sqlx::query("UPDATE sessions SET seen_at = $1 WHERE digest = $2 AND seen_at < $1")
                .bind(at.0)
                .bind(digest.to_vec())
                .execute(&mut *tx)
                .await?;
        }
        self.commit(tx).await
    }

    /// Drops sessions that were last shown before `idle` or have ended before `now`, and links and invitations that have
    /// ended before `now`.
    pub async fn forget_sessions(&self, idle: Millis, now: Millis) -> Result<()> {
        let found = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM sessions WHERE seen_at < $1 OR expires_at < $2)
                + (SELECT COUNT(*) FROM sign_in_links WHERE expires_at < $2)",
        )
        .bind(idle.0)
        .bind(now.0)
        .fetch_one(&self.readers)
        .await?;
        if found.try_get::<i64, _>(0).map_err(StoreError::from)? == 0 {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM sessions WHERE seen_at < $1 OR expires_at < $2")
            .bind(idle.0)
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM sign_in_links WHERE expires_at < $1")
            .bind(now.0)
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await
    }
}
