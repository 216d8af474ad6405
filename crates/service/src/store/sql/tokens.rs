//! Tokens of administrators and of proxies.

use serde_json::json;

use super::{Store, Tx, note, remember, replay, rows, teams};
use crate::clock::Millis;
use crate::secret::TokenDigest;
use crate::store::{By, Configured, NewServiceToken, Once, Result, Role, ServiceToken, StoreError};

/// How many tokens of proxies are valid at a time: one, and one more while it is replaced.
const PROXY_TOKENS: usize = 2;

impl Store {
    /// Stores a new token; one whose digest is there already is left as it is. At most two tokens of proxies are valid
    /// at a time: a third is a conflict.
    pub async fn create_token(&self, new: NewServiceToken, by: &By) -> Result<ServiceToken> {
        let mut tx = self.begin().await?;
        if let Some(team) = &new.team {
            teams::load(&mut tx, team.as_str()).await?;
        }
        let token = match by_digest(&mut tx, &new.digest).await? {
            Some(there) => there,
            None => {
                if new.role == Role::Proxy {
                    room_for_proxy(&mut tx, by.now).await?;
                }
                insert(&mut tx, &new, false, by).await?
            }
        };
        self.commit(tx).await?;
        Ok(token)
    }

    /// Stores a new token. With an idempotency token that this actor has used for the same request before, gives what that
    /// call made, and `true`.
    pub async fn create_token_once(
        &self,
        new: NewServiceToken,
        once: Option<Once>,
        by: &By,
    ) -> Result<(ServiceToken, bool)> {
        let mut tx = self.begin().await?;
        if let Some(id) = replay(&mut tx, once.as_ref(), by).await? {
            return Ok((by_id(&mut tx, &id).await?, true));
        }
        if let Some(team) = &new.team {
            teams::open(&mut tx, team.as_str()).await?;
        }
        if new.role == Role::Proxy {
            room_for_proxy(&mut tx, by.now).await?;
        }
        let token = insert(&mut tx, &new, false, by).await?;
        remember(&mut tx, once.as_ref(), &token.id, by).await?;
        self.commit(tx).await?;
        Ok((token, false))
    }

    /// Takes the token that the service is started with, and ends those that it replaces. An administrator's replaces
    /// every earlier configured one at once. A proxies' token leaves the one before valid for `overlap_ms`, and ends
    /// older ones. A token that has ended stays so, and then replaces nothing.
    pub async fn configure_token(
        &self,
        new: NewServiceToken,
        overlap_ms: i64,
        by: &By,
    ) -> Result<Configured> {
        // It ends the token before, and a service that is started on a full disk needs it.
        self.urgently(|| self.configure(&new, overlap_ms, by)).await
    }

    /// The token with this digest, also one that has ended.
    pub async fn token(&self, digest: &TokenDigest) -> Result<Option<ServiceToken>> {
        let row = sqlx::query("SELECT * FROM admin_tokens WHERE digest = $1")
            .bind(digest.to_vec())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(rows::token).transpose()
    }

    /// All tokens, also those that have ended, in the order in which they were made.
    pub async fn tokens(&self) -> Result<Vec<ServiceToken>> {
        let found = sqlx::query("SELECT * FROM admin_tokens ORDER BY created_at, id")
            .fetch_all(&self.readers)
            .await?;
        found.iter().map(rows::token).collect()
    }

    /// Ends a token; one that has ended already is left as it is. The last administrator's cannot be ended.
    pub async fn revoke_token(&self, id: &str, by: &By) -> Result<()> {
        self.urgently(|| self.end_token(id, by)).await
    }

    /// Notes when tokens were last used.
    pub async fn note_tokens_used(&self, used: &[(String, Millis)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (id, at) in used {
            sqlx::query(
                "UPDATE admin_tokens SET last_used_at = $1
                 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
            )
            .bind(at.0)
            .bind(&**id)
            .execute(&mut *tx)
            .await?;
        }
        self.commit(tx).await
    }
}

impl Store {
    async fn configure(
        &self,
        new: &NewServiceToken,
        overlap_ms: i64,
        by: &By,
    ) -> Result<Configured> {
        let mut tx = self.begin_urgent().await?;
        let token = match by_digest(&mut tx, &new.digest).await? {
            None => insert(&mut tx, new, true, by).await?,
            Some(there) => match adopt(&mut tx, new, there, by).await? {
                Adopted::Ended(token) => {
                    return Ok(Configured {
                        token,
                        ended: Vec::new(),
                        overlapping: None,
                    });
                }
                Adopted::Valid(token) => token,
            },
        };
        let mut done = Configured {
            token,
            ended: Vec::new(),
            overlapping: None,
        };
        for earlier in replaced(&mut tx, &done.token, by.now).await? {
            let goes_on = new.role == Role::Proxy && done.overlapping.is_none() && overlap_ms > 0;
            if goes_on {
                done.overlapping = Some(let_expire(&mut tx, earlier, overlap_ms, by).await?);
            } else {
                let why = json!({"replaced_by": done.token.id});
                done.ended.push(end(&mut tx, &earlier.id, why, by).await?);
            }
        }
        self.commit(tx).await?;
        Ok(done)
    }

    async fn end_token(&self, id: &str, by: &By) -> Result<()> {
        let mut tx = self.begin_urgent().await?;
        let token = by_id(&mut tx, id).await?;
        if token.ended(by.now).is_some() {
            return Ok(());
        }
        if token.role == Role::Admin && valid(&mut tx, Role::Admin, by.now).await?.len() < 2 {
            return Err(StoreError::Conflict(
                "this is the last administrator's token: make another one first \
                 (gmtech tokens create --role admin)"
                    .into(),
            ));
        }
        end(&mut tx, id, json!({}), by).await?;
        self.commit(tx).await
    }
}

async fn by_id(tx: &mut Tx, id: &str) -> Result<ServiceToken> {
    let row = sqlx::query("SELECT * FROM admin_tokens WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(StoreError::NotFound("token"))?;
    rows::token(&row)
}

async fn by_digest(tx: &mut Tx, digest: &TokenDigest) -> Result<Option<ServiceToken>> {
    let row = sqlx::query("SELECT * FROM admin_tokens WHERE digest = $1")
        .bind(digest.to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(rows::token).transpose()
}

/// The valid tokens of a role, the newest first.
async fn valid(tx: &mut Tx, role: Role, now: Millis) -> Result<Vec<ServiceToken>> {
    let found = sqlx::query(
        "SELECT * FROM admin_tokens
         WHERE role = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
         ORDER BY created_at DESC, id",
    )
    .bind(role.name())
    .bind(now.0)
    .fetch_all(&mut **tx)
    .await?;
    found.iter().map(rows::token).collect()
}

async fn room_for_proxy(tx: &mut Tx, now: Millis) -> Result<()> {
    let there = valid(tx, Role::Proxy, now).await?;
    if there.len() < PROXY_TOKENS {
        return Ok(());
    }
    let ids: Vec<&str> = there.iter().map(|t| t.id.as_str()).collect();
    Err(StoreError::Conflict(format!(
        "{PROXY_TOKENS} tokens of proxies are valid already ({}): revoke the one that no proxy uses first",
        ids.join(", ")
    )))
}

async fn insert(
    tx: &mut Tx,
    new: &NewServiceToken,
    configured: bool,
    by: &By,
) -> Result<ServiceToken> {
    let team = new.team.as_ref().map(|t| t.as_str().to_owned());
    let row = sqlx::query(
        "INSERT INTO admin_tokens (id, name, digest, role, team_id, configured, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
    )
    .bind(&*new.id)
    .bind(&*new.name)
    .bind(new.digest.to_vec())
    .bind(new.role.name())
    .bind(team.clone())
    .bind(i64::from(configured))
    .bind(by.now.0)
    .fetch_one(&mut **tx)
    .await?;
    let detail = json!({"name": new.name, "role": new.role, "configured": configured});
    note(tx, by, "token.create", &new.id, team.as_deref(), detail).await?;
    rows::token(&row)
}

/// A token that is there and is now the one that the service was started with.
enum Adopted {
    Valid(ServiceToken),
    Ended(ServiceToken),
}

async fn adopt(
    tx: &mut Tx,
    new: &NewServiceToken,
    there: ServiceToken,
    by: &By,
) -> Result<Adopted> {
    if there.role != new.role {
        return Err(StoreError::Conflict(format!(
            "the token that is configured for the role {} is {} with the role {}: configure another one",
            new.role.name(),
            there.id,
            there.role.name()
        )));
    }
    if there.ended(by.now).is_some() {
        return Ok(Adopted::Ended(there));
    }
    if there.configured && there.expires_at.is_none() {
        return Ok(Adopted::Valid(there));
    }
    let row = sqlx::query(
        "UPDATE admin_tokens SET configured = 1, expires_at = NULL WHERE id = $1 RETURNING *",
    )
    .bind(&*there.id)
    .fetch_one(&mut **tx)
    .await?;
    note(tx, by, "token.configure", &there.id, None, json!({})).await?;
    Ok(Adopted::Valid(rows::token(&row)?))
}

/// The configured tokens that `token` replaces: the one before it first, then those that were to end anyway.
async fn replaced(tx: &mut Tx, token: &ServiceToken, now: Millis) -> Result<Vec<ServiceToken>> {
    let mut earlier = valid(tx, token.role, now).await?;
    earlier.retain(|t| t.configured && t.id != token.id);
    earlier.sort_by_key(|t| t.expires_at.is_some());
    Ok(earlier)
}

async fn let_expire(
    tx: &mut Tx,
    token: ServiceToken,
    overlap_ms: i64,
    by: &By,
) -> Result<ServiceToken> {
    if token.expires_at.is_some() {
        return Ok(token);
    }
    let until = Millis(by.now.0.saturating_add(overlap_ms));
    let row = sqlx::query("UPDATE admin_tokens SET expires_at = $1 WHERE id = $2 RETURNING *")
        .bind(until.0)
        .bind(&*token.id)
        .fetch_one(&mut **tx)
        .await?;
    let detail = json!({"expires_at": until});
    note(tx, by, "token.expire", &token.id, None, detail).await?;
    rows::token(&row)
}

async fn end(tx: &mut Tx, id: &str, detail: serde_json::Value, by: &By) -> Result<ServiceToken> {
    let row = sqlx::query("UPDATE admin_tokens SET revoked_at = $1 WHERE id = $2 RETURNING *")
        .bind(by.now.0)
        .bind(id)
        .fetch_one(&mut **tx)
        .await?;
    note(tx, by, "token.revoke", id, None, detail).await?;
    rows::token(&row)
}
