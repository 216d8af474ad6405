//! Members of teams.

use gmtech_core::ident::TeamId;
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, Tx, note, rows, signed, teams};
use crate::clock::Millis;
use crate::store::{Authority, By, KeyInfo, Member, MemberRole, NewMember, Result, StoreError};

impl Store {
    /// The members of a team by address.
    pub async fn members(&self, team: &TeamId) -> Result<Vec<Member>> {
        let found = sqlx::query("SELECT * FROM members WHERE team_id = $1 ORDER BY email")
            .bind(team.as_str())
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::member).collect()
    }

    /// Adds a member or changes its role. Only with the authority of the service is a team left without an owner.
    pub async fn put_member(&self, team: &TeamId, member: NewMember, by: &By) -> Result<Member> {
        let mut tx = self.begin().await?;
        teams::open(&mut tx, team.as_str()).await?;
        let role = member.role.name();
        if member.role != MemberRole::Owner {
            not_the_last_owner(&mut tx, team.as_str(), &member.email, by).await?;
        }
        let row = write(&mut tx, team.as_str(), &member.email, member.role, by.now).await?;
        by_hand(&mut tx, team.as_str(), &member.email).await?;
        let detail = json!({"email": member.email, "role": role});
        note(
            &mut tx,
            by,
            "team.member.put",
            team.as_str(),
            Some(team.as_str()),
            detail,
        )
        .await?;
        self.commit(tx).await?;
        rows::member(&row)
    }

    /// Removes a member, who owns no key that has not ended. As to owners as [`Store::put_member`].
    pub async fn remove_member(&self, team: &TeamId, email: &str, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        not_the_last_owner(&mut tx, team.as_str(), email, by).await?;
        owns_nothing(&mut tx, team.as_str(), email, by).await?;
        let done = sqlx::query("DELETE FROM members WHERE team_id = $1 AND email = $2")
            .bind(team.as_str())
            .bind(email)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound("member"));
        }
        by_hand(&mut tx, team.as_str(), email).await?;
        let detail = json!({"email": email});
        note(
            &mut tx,
            by,
            "team.member.remove",
            team.as_str(),
            Some(team.as_str()),
            detail,
        )
        .await?;
        self.commit(tx).await
    }
}

/// Writes a member of an open team.
pub(super) async fn write(
    tx: &mut Tx,
    team: &str,
    email: &str,
    role: MemberRole,
    now: Millis,
) -> Result<AnyRow> {
    let row = sqlx::query(
        "INSERT INTO members (team_id, email, role, added_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (team_id, email) DO UPDATE SET role = excluded.role RETURNING *",
    )
    .bind(team)
    .bind(email)
    .bind(role.name())
    .bind(now.0)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

/// What a person is to a team, by the address in lower case.
pub(super) async fn role_of(tx: &mut Tx, team: &str, email: &str) -> Result<Option<MemberRole>> {
    let row = sqlx::query("SELECT role FROM members WHERE team_id = $1 AND LOWER(email) = $2")
        .bind(team)
        .bind(email)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| rows::role_named(row.try_get(0)?)).transpose()
}

/// Makes a person, by the address in lower case, a member of an open team, or changes the role.
pub(super) async fn set(
    tx: &mut Tx,
    team: &str,
    email: &str,
    role: MemberRole,
    now: Millis,
) -> Result<()> {
    let done = sqlx::query("UPDATE members SET role = $1 WHERE team_id = $2 AND LOWER(email) = $3")
        .bind(role.name())
        .bind(team)
        .bind(email)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        write(tx, team, email, role, now).await?;
    }
    Ok(())
}

/// Removes a person, by the address in lower case, from a team.
pub(super) async fn delete(tx: &mut Tx, team: &str, email: &str) -> Result<()> {
    sqlx::query("DELETE FROM members WHERE team_id = $1 AND LOWER(email) = $2")
        .bind(team)
        .bind(email)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What somebody has decided about a member stays, whatever a provider's groups gave before.
pub(super) async fn by_hand(tx: &mut Tx, team: &str, email: &str) -> Result<()> {
    sqlx::query(
        "DELETE FROM provided_roles WHERE team_id = $1
             AND person_id IN (SELECT id FROM people WHERE email = LOWER($2))",
    )
    .bind(team)
    .bind(email)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Refuses to take the last owner away from a team: none of its people could manage it then. It is checked where it is changed,
/// so that two owners who remove each other at the same time leave one.
async fn not_the_last_owner(tx: &mut Tx, team: &str, email: &str, by: &By) -> Result<()> {
    if by.authority == Authority::Full {
        return Ok(());
    }
    let row = sqlx::query(
        "SELECT COALESCE(SUM(CASE WHEN email = $2 THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN email = $2 THEN 0 ELSE 1 END), 0)
         FROM members WHERE team_id = $1 AND role = 'owner'",
    )
    .bind(team)
    .bind(email)
    .fetch_one(&mut **tx)
    .await?;
    let (is_owner, others): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    match is_owner > 0 && others == 0 {
        true => Err(StoreError::LastOwner),
        false => Ok(()),
    }
}

/// Refuses to remove a member who owns keys that have not ended.
async fn owns_nothing(tx: &mut Tx, team: &str, email: &str, by: &By) -> Result<()> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM keys WHERE owner = $1 AND team_id = $2 AND status <> 'revoked'
           AND (expires_at IS NULL OR expires_at > $3)",
    )
    .bind(email)
    .bind(team)
    .bind(signed(by.now.unix_seconds()))
    .fetch_one(&mut **tx)
    .await?;
    match row.try_get::<i64, _>(0)? {
        0 => Ok(()),
        1 => Err(StoreError::Conflict(
            "this member owns a key that has not ended; give it another owner, or revoke it, first"
                .into(),
        )),
        count => Err(StoreError::Conflict(format!(
            "this member owns {count} keys that have not ended; give them another owner, or revoke them, first"
        ))),
    }
}

/// Refuses an owner who is no member of the team.
pub(super) async fn check_owner(tx: &mut Tx, key: &KeyInfo) -> Result<()> {
    let Some(owner) = &key.owner else {
        return Ok(());
    };
    let team = key.record.team.as_str();
    let found = sqlx::query("SELECT 1 FROM members WHERE team_id = $1 AND email = $2")
        .bind(team)
        .bind(&**owner)
        .fetch_optional(&mut **tx)
        .await?;
    match found {
        Some(_) => Ok(()),
        None => Err(StoreError::NotAMember(team.to_owned())),
    }
}
