//! Links that sign one person in, once.

use sqlx::Row;

use super::{Store, note, people};
use crate::clock::Millis;
use crate::secret::TokenDigest;
use crate::store::{By, NewPerson, NewSignInLink, Person, Result, SignInLink, StoreError};

impl Store {
    /// Stores a link. One for the first administrator replaces the one before.
    pub async fn create_sign_in_link(&self, link: &NewSignInLink, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        if link.email.is_none() {
            sqlx::query("DELETE FROM sign_in_links WHERE email IS NULL")
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query(
            "INSERT INTO sign_in_links (digest, email, admin, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(link.digest.to_vec())
        .bind(link.email.clone())
        .bind(i64::from(link.admin))
        .bind(by.now.0)
        .bind(&*by.actor)
        .bind(link.expires_at.0)
        .execute(&mut *tx)
        .await?;
        let subject = link.email.as_deref().unwrap_or("first administrator");
        let detail = serde_json::json!({"admin": link.admin, "expires_at": link.expires_at});
        note(&mut tx, by, "person.link", subject, None, detail).await?;
        self.commit(tx).await
    }

    /// The link with this digest, if it still signs somebody in at `now`.
    pub async fn sign_in_link(
        &self,
        digest: &TokenDigest,
        now: Millis,
    ) -> Result<Option<SignInLink>> {
        let row = sqlx::query("SELECT * FROM sign_in_links WHERE digest = $1 AND expires_at > $2")
            .bind(digest.to_vec())
            .bind(now.0)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Uses a link up: the person that it names has signed in, and is made where there is none yet. A password replaces
    /// the one before. `new.email` counts for a link without an address.
    pub async fn use_sign_in_link(
        &self,
        digest: &TokenDigest,
        mut new: NewPerson,
        now: Millis,
    ) -> Result<Person> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "DELETE FROM sign_in_links WHERE digest = $1 AND expires_at > $2 RETURNING *",
        )
        .bind(digest.to_vec())
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("link"))?;
        let link = read(&row)?;
        if let Some(email) = &link.email {
            new.email.clone_from(email);
        } else if sqlx::query("SELECT 1 FROM people WHERE admin = 1 LIMIT 1")
            .fetch_optional(&mut *tx)
            .await?
            .is_some()
        {
            return Err(StoreError::NotFound("link"));
        }
        new.admin = link.admin;
        let by = By::person(&new.email, now);
        let person = match people::find(&mut tx, &new.email).await? {
            None => people::insert(&mut tx, &new, &by).await?,
            Some(mut person) => {
                if link.admin {
                    people::promote(&mut tx, &mut person, &by).await?;
                }
                if let Some(password) = &new.password {
                    person.generation = people::set_password(&mut tx, &person.id, password).await?;
                    person.has_password = true;
                }
                person
            }
        };
        people::signed_in(&mut tx, &person, "link", &by).await?;
        self.commit(tx).await?;
        Ok(person)
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<SignInLink> {
    Ok(SignInLink {
        email: row.try_get("email")?,
        admin: row.try_get::<i64, _>("admin")? != 0,
        expires_at: Millis(row.try_get("expires_at")?),
    })
}
