//! Teams and their members.

use async_trait::async_trait;
use gmtech_core::ident::TeamId;
use serde_json::json;

use super::keys::cut;
use super::{SqlStore, Tx, is_taken, next_version, note, rows};
use crate::store::{
    By, Member, MemberRole, NewMember, NewTeam, Page, PageRequest, Result, StoreError, Team,
    TeamPatch, TeamStore,
};

#[async_trait]
impl TeamStore for SqlStore {
    async fn create_team(&self, new: NewTeam, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx).await?;
        sqlx::query(
            "INSERT INTO teams (id, name, created_at, prepaid, exhausted, version) VALUES ($1, $2, $3, $4, $4, $5)",
        )
        .bind(new.id.as_str())
        .bind(&*new.name)
        .bind(by.now.0)
        .bind(i64::from(new.prepaid))
        .bind(version)
        .execute(&mut *tx)
        .await
        .map_err(|error| match is_taken(&error) {
            true => StoreError::Conflict(format!("team {} is there already", new.id)),
            false => error.into(),
        })?;
        let id = new.id.as_str();
        let detail = json!({"name": new.name, "prepaid": new.prepaid});
        note(&mut tx, by, "team.create", id, Some(id), detail).await?;
        let team = load(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(team)
    }

    async fn team(&self, id: &TeamId) -> Result<Team> {
        let row = sqlx::query("SELECT * FROM teams WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::NotFound("team"))?;
        rows::team(&row)
    }

    async fn teams(&self, only: Option<&TeamId>, page: &PageRequest) -> Result<Page<Team>> {
        let found = sqlx::query(
            "SELECT * FROM teams WHERE ($1 IS NULL OR id = $1) AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(only.map(|t| t.as_str().to_owned()))
        .bind(page.after.as_deref().unwrap_or(""))
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::team).collect::<Result<Vec<_>>>()?;
        Ok(cut(items, page.limit, |team| team.id.to_string()))
    }

    async fn update_team(&self, id: &TeamId, patch: TeamPatch, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let was = load(&mut tx, id.as_str()).await?;
        let name = patch.name.unwrap_or_else(|| was.name.clone());
        let prepaid = patch.prepaid.unwrap_or(was.prepaid);
        sqlx::query("UPDATE teams SET name = $1, prepaid = $2 WHERE id = $3")
            .bind(&*name)
            .bind(i64::from(prepaid))
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        let detail = json!({"name": name, "prepaid": prepaid});
        note(
            &mut tx,
            by,
            "team.update",
            id.as_str(),
            Some(id.as_str()),
            detail,
        )
        .await?;
        let team = judge_credit(&mut tx, id.as_str()).await?;
        self.commit(tx).await?;
        Ok(team)
    }

    async fn members(&self, team: &TeamId) -> Result<Vec<Member>> {
        let found = sqlx::query("SELECT * FROM members WHERE team_id = $1 ORDER BY email")
            .bind(team.as_str())
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::member).collect()
    }

    async fn put_member(&self, team: &TeamId, member: NewMember, by: &By) -> Result<Member> {
        let mut tx = self.begin().await?;
        load(&mut tx, team.as_str()).await?;
        let role = match member.role {
            MemberRole::Owner => "owner",
            MemberRole::Member => "member",
        };
        let row = sqlx::query(
            "INSERT INTO members (team_id, email, role, added_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (team_id, email) DO UPDATE SET role = excluded.role RETURNING *",
        )
        .bind(team.as_str())
        .bind(&*member.email)
        .bind(role)
        .bind(by.now.0)
        .fetch_one(&mut *tx)
        .await?;
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

    async fn remove_member(&self, team: &TeamId, email: &str, by: &By) -> Result<()> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("DELETE FROM members WHERE team_id = $1 AND email = $2")
            .bind(team.as_str())
            .bind(email)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound("member"));
        }
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

pub(super) async fn load(tx: &mut Tx, id: &str) -> Result<Team> {
    let row = sqlx::query("SELECT * FROM teams WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(StoreError::NotFound("team"))?;
    rows::team(&row)
}

/// Sets the team's exhausted flag to what its balance says, under a new version if that changes it.
pub(super) async fn judge_credit(tx: &mut Tx, id: &str) -> Result<Team> {
    let team = load(tx, id).await?;
    let exhausted = team.prepaid && team.balance_nano_usd <= 0;
    if exhausted == team.exhausted {
        return Ok(team);
    }
    let version = next_version(tx).await?;
    sqlx::query("UPDATE teams SET exhausted = $1, version = $2 WHERE id = $3")
        .bind(i64::from(exhausted))
        .bind(version)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    load(tx, id).await
}
