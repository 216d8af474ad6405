//! People who sign in.

mod forget;
mod provided;

use serde_json::json;
use sqlx::Row;

use super::{Store, Tx, is_taken, note, rows};
use crate::store::{Account, By, NewPerson, Person, PersonPatch, PersonTeams, Result, StoreError};

impl Store {
    /// All people by address.
    pub async fn people(&self) -> Result<Vec<Person>> {
        let found = sqlx::query("SELECT * FROM people ORDER BY email")
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::person).collect()
    }

    /// Whether there is an administrator.
    pub async fn has_administrator(&self) -> Result<bool> {
        let found = sqlx::query("SELECT 1 FROM people WHERE admin = 1 LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.is_some())
    }

    /// The person with this address, which is in lower case, and the password.
    pub async fn account(&self, email: &str) -> Result<Option<Account>> {
        let row = sqlx::query("SELECT * FROM people WHERE email = $1")
            .bind(email)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::account).transpose()
    }

    /// The person with this id, with the open teams that the person is a member of.
    pub async fn person_teams(&self, id: &str) -> Result<Option<PersonTeams>> {
        let row = sqlx::query("SELECT * FROM people WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let person = rows::person(&row)?;
        let found = sqlx::query(
            "SELECT t.*, m.role AS member_role FROM members m JOIN teams t ON t.id = m.team_id
             WHERE LOWER(m.email) = $1 AND t.closed_at IS NULL ORDER BY t.id",
        )
        .bind(&*person.email)
        .fetch_all(&self.readers)
        .await?;
        let teams = found
            .iter()
            .map(|row| Ok((rows::team(row)?, rows::member_role(row)?)))
            .collect::<Result<_>>()?;
        Ok(Some(PersonTeams { person, teams }))
    }

    /// Changes a person. Another password, or no more administrator, ends all sessions of the person.
    pub async fn update_person(&self, email: &str, patch: PersonPatch, by: &By) -> Result<Person> {
        let mut tx = self.begin().await?;
        let was = load(&mut tx, email).await?;
        let demoted = was.admin && patch.admin == Some(false);
        if demoted {
            another_administrator(&mut tx, &was).await?;
        }
        let row = sqlx::query(
            "UPDATE people SET name = $1, admin = $2, password = COALESCE($3, password),
                 admin_provided = CASE WHEN $5 = 1 THEN 0 ELSE admin_provided END WHERE id = $4 RETURNING *",
        )
        .bind(patch.name.clone().unwrap_or(was.name))
        .bind(i64::from(patch.admin.unwrap_or(was.admin)))
        .bind(patch.password.clone())
        .bind(&*was.id)
        // Who is made an administrator by hand, or no more, is so whatever groups say.
        .bind(i64::from(patch.admin.is_some()))
        .fetch_one(&mut *tx)
        .await?;
        let detail = json!({
            "email": email, "name": patch.name, "admin": patch.admin, "password": patch.password.is_some(),
        });
        note(&mut tx, by, "person.update", &was.id, None, detail).await?;
        let mut person = rows::person(&row)?;
        if demoted || patch.password.is_some() {
            person.generation = end_sessions(&mut tx, &was.id).await?;
        }
        self.commit(tx).await?;
        Ok(person)
    }

    /// Removes an account and ends its sessions. Keys and memberships stay, but for memberships that a provider's groups gave.
    pub async fn remove_person(&self, email: &str, by: &By) -> Result<()> {
        self.urgently(|| async {
            let mut tx = self.begin_urgent().await?;
            let person = load(&mut tx, email).await?;
            another_administrator(&mut tx, &person).await?;
            provided::take_back(&mut tx, &person, by).await?;
            remove(&mut tx, &person.id).await?;
            sqlx::query("DELETE FROM sign_in_links WHERE email = $1")
                .bind(email)
                .execute(&mut *tx)
                .await?;
            let detail = json!({"email": email});
            note(&mut tx, by, "person.remove", &person.id, None, detail).await?;
            self.commit(tx).await
        })
        .await
    }

    /// Ends all sessions of a person.
    pub async fn sign_out_everywhere(&self, email: &str, by: &By) -> Result<()> {
        self.urgently(|| async {
            let mut tx = self.begin_urgent().await?;
            let person = load(&mut tx, email).await?;
            end_sessions(&mut tx, &person.id).await?;
            let detail = json!({"email": email});
            note(&mut tx, by, "person.sign_out", &person.id, None, detail).await?;
            self.commit(tx).await
        })
        .await
    }

    /// Notes that a person has signed in, and by what.
    pub async fn note_sign_in(&self, person: &Person, how: &str, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        signed_in(&mut tx, person, how, by).await?;
        self.commit(tx).await
    }
}

/// Removes an account, its sessions, and what providers call it.
async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    for statement in [
        "DELETE FROM sessions WHERE person_id = $1",
        "DELETE FROM identities WHERE person_id = $1",
        "DELETE FROM alert_dismissals WHERE person_id = $1",
        "DELETE FROM people WHERE id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// The person with this address.
async fn load(tx: &mut Tx, email: &str) -> Result<Person> {
    find(tx, email).await?.ok_or(StoreError::NotFound("person"))
}

pub(super) async fn find(tx: &mut Tx, email: &str) -> Result<Option<Person>> {
    let row = sqlx::query("SELECT * FROM people WHERE email = $1")
        .bind(email)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(rows::person).transpose()
}

/// Makes an account.
pub(super) async fn insert(tx: &mut Tx, new: &NewPerson, by: &By) -> Result<Person> {
    let row = sqlx::query(
        "INSERT INTO people (id, email, name, password, admin, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
    )
    .bind(&*new.id)
    .bind(&*new.email)
    .bind(&*new.name)
    .bind(new.password.clone())
    .bind(i64::from(new.admin))
    .bind(by.now.0)
    .fetch_one(&mut **tx)
    .await
    .map_err(|error| match is_taken(&error) {
        true => StoreError::Conflict("there is an account with this address already; sign in".into()),
        false => error.into(),
    })?;
    let detail = json!({"email": new.email, "admin": new.admin});
    note(tx, by, "person.create", &new.id, None, detail).await?;
    rows::person(&row)
}

/// Notes a sign-in in the transaction that made it possible.
pub(super) async fn signed_in(tx: &mut Tx, person: &Person, how: &str, by: &By) -> Result<()> {
    sqlx::query("UPDATE people SET last_sign_in_at = $1 WHERE id = $2")
        .bind(by.now.0)
        .bind(&*person.id)
        .execute(&mut **tx)
        .await?;
    let detail = json!({"email": person.email, "how": how});
    note(tx, by, "person.sign_in", &person.id, None, detail).await
}

/// Sets a password, and ends the sessions that were made with the one before.
pub(super) async fn set_password(tx: &mut Tx, id: &str, password: &str) -> Result<i64> {
    sqlx::query("UPDATE people SET password = $1 WHERE id = $2")
        .bind(password)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    end_sessions(tx, id).await
}

/// Makes a person an administrator, by hand.
pub(super) async fn promote(tx: &mut Tx, person: &mut Person, by: &By) -> Result<()> {
    if person.admin {
        sqlx::query("UPDATE people SET admin_provided = 0 WHERE id = $1")
            .bind(&*person.id)
            .execute(&mut **tx)
            .await?;
        return Ok(());
    }
    set_admin(tx, person, true, false, by).await
}

/// Makes a person an administrator or takes that away; `provided` where a provider's groups do it.
async fn set_admin(
    tx: &mut Tx,
    person: &mut Person,
    admin: bool,
    provided: bool,
    by: &By,
) -> Result<()> {
    sqlx::query("UPDATE people SET admin = $1, admin_provided = $2 WHERE id = $3")
        .bind(i64::from(admin))
        .bind(i64::from(admin && provided))
        .bind(&*person.id)
        .execute(&mut **tx)
        .await?;
    person.admin = admin;
    let mut detail = json!({"email": person.email, "admin": admin});
    if provided && let Some(detail) = detail.as_object_mut() {
        detail.insert("by".into(), "groups".into());
    }
    note(tx, by, "person.update", &person.id, None, detail).await
}

async fn end_sessions(tx: &mut Tx, id: &str) -> Result<i64> {
    sqlx::query("DELETE FROM sessions WHERE person_id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let row = sqlx::query(
        "UPDATE people SET generation = generation + 1 WHERE id = $1 RETURNING generation",
    )
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get(0)?)
}

async fn another_administrator(tx: &mut Tx, person: &Person) -> Result<()> {
    let other = sqlx::query("SELECT 1 FROM people WHERE admin = 1 AND id <> $1 LIMIT 1")
        .bind(&*person.id)
        .fetch_optional(&mut **tx)
        .await?;
    if !person.admin || other.is_some() {
        return Ok(());
    }
    Err(StoreError::Conflict(
        "this is the last administrator: make another one first (gmtech people admin EMAIL)".into(),
    ))
}
