//! Invitations into a team.

use gmtech_core::ident::TeamId;
use serde_json::json;

use super::{Store, members, note, people, rows, teams};
use crate::clock::Millis;
use crate::secret::TokenDigest;
use crate::store::{By, Invitation, NewInvitation, NewPerson, Person, Result, StoreError};

impl Store {
    /// Stores an invitation. It revokes open ones of the same address into the same team. Who is a member already is a
    /// conflict.
    pub async fn invite(&self, new: NewInvitation, by: &By) -> Result<Invitation> {
        let mut tx = self.begin().await?;
        let team = new.team.as_str();
        teams::open(&mut tx, team).await?;
        let member = sqlx::query("SELECT 1 FROM members WHERE team_id = $1 AND LOWER(email) = $2")
            .bind(team)
            .bind(&*new.email)
            .fetch_optional(&mut *tx)
            .await?;
        if member.is_some() {
            return Err(StoreError::Conflict(
                "this address is a member of the team already; change the role instead".into(),
            ));
        }
        sqlx::query(
            "UPDATE invitations SET revoked_at = $1
             WHERE team_id = $2 AND email = $3 AND accepted_at IS NULL AND revoked_at IS NULL",
        )
        .bind(by.now.0)
        .bind(team)
        .bind(&*new.email)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query(
            "INSERT INTO invitations (id, digest, team_id, email, role, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *",
        )
        .bind(&*new.id)
        .bind(new.digest.to_vec())
        .bind(team)
        .bind(&*new.email)
        .bind(new.role.name())
        .bind(by.now.0)
        .bind(&*by.actor)
        .bind(new.expires_at.0)
        .fetch_one(&mut *tx)
        .await?;
        let detail = json!({"invitation": new.id, "email": new.email, "role": new.role});
        note(&mut tx, by, "team.invite", team, Some(team), detail).await?;
        self.commit(tx).await?;
        rows::invitation(&row)
    }

    /// A team's invitations that are open at `now`, the newest first.
    pub async fn invitations(&self, team: &TeamId, now: Millis) -> Result<Vec<Invitation>> {
        let found = sqlx::query(
            "SELECT * FROM invitations WHERE team_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL
                 AND expires_at > $2 ORDER BY created_at DESC, id",
        )
        .bind(team.as_str())
        .bind(now.0)
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(rows::invitation).collect()
    }

    /// The invitation whose link's secret has this digest, also one that is not open any more.
    pub async fn invitation(&self, digest: &TokenDigest) -> Result<Option<Invitation>> {
        let row = sqlx::query("SELECT * FROM invitations WHERE digest = $1")
            .bind(digest.to_vec())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::invitation).transpose()
    }

    /// Revokes an invitation of a team; one that is not open any more stays as it is.
    pub async fn revoke_invitation(&self, team: &TeamId, id: &str, by: &By) -> Result<()> {
        self.urgently(|| async {
            let mut tx = self.begin_urgent().await?;
            let row = sqlx::query("SELECT * FROM invitations WHERE team_id = $1 AND id = $2")
                .bind(team.as_str())
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or(StoreError::NotFound("invitation"))?;
            let invitation = rows::invitation(&row)?;
            if !invitation.is_open(by.now) {
                return Ok(());
            }
            sqlx::query("UPDATE invitations SET revoked_at = $1 WHERE id = $2")
                .bind(by.now.0)
                .bind(id)
                .execute(&mut *tx)
                .await?;
            let detail = json!({"invitation": id, "email": invitation.email});
            let id = team.as_str();
            note(&mut tx, by, "team.uninvite", id, Some(id), detail).await?;
            self.commit(tx).await
        })
        .await
    }

    /// Drops invitations that were accepted or revoked, or have ended, before `before`. Returns how many.
    pub async fn forget_invitations(&self, before: Millis) -> Result<u64> {
        let which = "accepted_at < $1 OR revoked_at < $1 OR expires_at < $1";
        // Most of the time there is none, and nothing needs to be written.
        let any = sqlx::query(&format!("SELECT 1 FROM invitations WHERE {which} LIMIT 1"))
            .bind(before.0)
            .fetch_optional(&self.readers)
            .await?;
        if any.is_none() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let done = sqlx::query(&format!("DELETE FROM invitations WHERE {which}"))
            .bind(before.0)
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await?;
        Ok(done.rows_affected())
    }

    /// Accepts an invitation: the person becomes a member, and is made if `new` is given and there is no such account.
    /// Without `new` the account must be there. The address is the invitation's.
    pub async fn accept_invitation(
        &self,
        digest: &TokenDigest,
        new: Option<NewPerson>,
        now: Millis,
    ) -> Result<(Invitation, Person)> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "UPDATE invitations SET accepted_at = $1 WHERE digest = $2 AND accepted_at IS NULL
                 AND revoked_at IS NULL AND expires_at > $1 RETURNING *",
        )
        .bind(now.0)
        .bind(digest.to_vec())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("invitation"))?;
        let invitation = rows::invitation(&row)?;
        let by = By::person(&invitation.email, now);
        let person = match new {
            None => people::find(&mut tx, &invitation.email)
                .await?
                .ok_or(StoreError::NotFound("person"))?,
            Some(new) => {
                let new = NewPerson {
                    email: invitation.email.clone(),
                    admin: false,
                    ..new
                };
                let person = people::insert(&mut tx, &new, &by).await?;
                people::signed_in(&mut tx, &person, "invitation", &by).await?;
                person
            }
        };
        let team = invitation.team.as_str();
        teams::open(&mut tx, team).await?;
        members::write(&mut tx, team, &invitation.email, invitation.role, now).await?;
        members::by_hand(&mut tx, team, &invitation.email).await?;
        let detail = json!({
            "email": invitation.email, "role": invitation.role, "invitation": invitation.id,
        });
        note(&mut tx, &by, "team.member.put", team, Some(team), detail).await?;
        self.commit(tx).await?;
        Ok((invitation, person))
    }
}
