//! Teams.

mod close;

use gmtech_core::ident::TeamId;
use serde_json::json;

use super::{Store, Tx, cursor, is_taken, next_version, note, remember, replay, rows};
use crate::store::{
    By, CreatedTeam, NewTeam, Page, PageRequest, Result, StoreError, Team, TeamPatch,
};

impl Store {
    /// Stores a new team.
    pub async fn create_team(&self, new: NewTeam, by: &By) -> Result<CreatedTeam> {
        let mut tx = self.begin().await?;
        if let Some(id) = replay(&mut tx, new.once.as_ref(), by).await? {
            let team = load(&mut tx, &id).await?;
            return Ok(CreatedTeam {
                team,
                replayed: true,
            });
        }
        let version = next_version(&mut tx).await?;
        sqlx::query(
            "INSERT INTO teams (id, name, created_at, prepaid, exhausted, version, policy) VALUES ($1, $2, $3, $4, $4, $5, $6)",
        )
        .bind(new.id.as_str())
        .bind(&*new.name)
        .bind(by.now.0)
        .bind(i64::from(new.prepaid))
        .bind(version)
        .bind(rows::optional_json(new.policy.as_ref())?)
        .execute(&mut *tx)
        .await
        .map_err(|error| match is_taken(&error) {
            true => StoreError::Conflict(format!("team {} is there already", new.id)),
            false => error.into(),
        })?;
        let id = new.id.as_str();
        let detail = json!({"name": new.name, "prepaid": new.prepaid, "policy": new.policy});
        note(&mut tx, by, "team.create", id, Some(id), detail).await?;
        remember(&mut tx, new.once.as_ref(), id, by).await?;
        let team = load(&mut tx, id).await?;
        self.commit(tx).await?;
        Ok(CreatedTeam {
            team,
            replayed: false,
        })
    }

    /// One team.
    pub async fn team(&self, id: &TeamId) -> Result<Team> {
        let row = sqlx::query("SELECT * FROM teams WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::NotFound("team"))?;
        rows::team(&row)
    }

    /// Teams by id; only `only` if given.
    pub async fn teams(&self, only: Option<&TeamId>, page: &PageRequest) -> Result<Page<Team>> {
        let after = cursor::team(page.after.as_deref())?;
        let found = match only {
            Some(only) => sqlx::query("SELECT * FROM teams WHERE id = $1 AND id > $2 LIMIT $3")
                .bind(only.as_str()),
            None => sqlx::query("SELECT * FROM teams WHERE id > $1 ORDER BY id LIMIT $2"),
        }
        .bind(after)
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        let items = found.iter().map(rows::team).collect::<Result<Vec<_>>>()?;
        Ok(cursor::cut(items, page.limit, |team| team.id.to_string()))
    }

    /// Changes what the patch names.
    pub async fn update_team(&self, id: &TeamId, patch: TeamPatch, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let was = open(&mut tx, id.as_str()).await?;
        let policy = patch.policy.unwrap_or_else(|| was.policy.clone());
        let name = patch.name.unwrap_or_else(|| was.name.clone());
        let prepaid = patch.prepaid.unwrap_or(was.prepaid);
        sqlx::query("UPDATE teams SET name = $1, prepaid = $2, policy = $3 WHERE id = $4")
            .bind(&*name)
            .bind(i64::from(prepaid))
            .bind(rows::optional_json(policy.as_ref())?)
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        let mut detail = json!({"name": name, "prepaid": prepaid});
        if policy != was.policy {
            let change = json!({"was": was.policy, "is": policy});
            detail
                .as_object_mut()
                .map(|d| d.insert("policy".into(), change));
        }
        let id_text = id.as_str();
        note(&mut tx, by, "team.update", id_text, Some(id_text), detail).await?;
        let team = judge_credit(&mut tx, id.as_str()).await?;
        self.commit(tx).await?;
        Ok(team)
    }

    /// Ends a team: its keys are revoked, and nothing is done with it any more. What it has used and paid stays.
    pub async fn close_team(&self, id: &TeamId, by: &By) -> Result<Team> {
        let mut tx = self.begin().await?;
        let team = load(&mut tx, id.as_str()).await?;
        if team.closed_at.is_some() {
            return Ok(team);
        }
        let revoked = close::revoke_keys(&mut tx, id.as_str(), by).await?;
        sqlx::query("UPDATE teams SET closed_at = $1 WHERE id = $2")
            .bind(by.now.0)
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        let detail = json!({"keys_revoked": revoked, "balance_nano_usd": team.balance_nano_usd});
        note(
            &mut tx,
            by,
            "team.close",
            id.as_str(),
            Some(id.as_str()),
            detail,
        )
        .await?;
        let team = load(&mut tx, id.as_str()).await?;
        self.commit(tx).await?;
        Ok(team)
    }
}

/// One team, within a transaction.
pub(super) async fn load(tx: &mut Tx, id: &str) -> Result<Team> {
    let row = sqlx::query("SELECT * FROM teams WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(StoreError::NotFound("team"))?;
    rows::team(&row)
}

/// A team with which something may still be done.
pub(super) async fn open(tx: &mut Tx, id: &str) -> Result<Team> {
    let team = load(tx, id).await?;
    match team.closed_at {
        None => Ok(team),
        Some(_) => Err(closed(id)),
    }
}

/// The refusal to do something with a team that is closed.
pub(super) fn closed(id: &str) -> StoreError {
    StoreError::Conflict(format!("team {id} is closed"))
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
