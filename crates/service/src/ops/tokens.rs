//! Tokens of administrators and of proxies.

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::fields;
use crate::secret::{self, Token};
use crate::service::Service;
use crate::store::{NewServiceToken, Role, ServiceToken};

/// A token to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// Of which team: needed for `team_admin`, possible for `reader`.
    #[serde(default)]
    pub team: Option<String>,
}

/// A new token.
pub struct Made {
    /// Its text, to be shown once; `None` where an earlier call with the same idempotency token made it.
    pub token: Option<Token>,
    /// What is stored of it.
    pub view: ServiceToken,
}

/// Makes a token.
///
/// # Errors
/// Where the caller is no administrator, a field is wrong, two tokens of proxies are valid already, or the store does not
/// answer.
pub async fn create(
    service: &Service,
    caller: &Caller,
    asked: CreateToken,
    once: Option<String>,
) -> Result<Made, ApiError> {
    let by = caller.must_be_admin()?;
    let once = fields::once(once, &("token.create", &asked))?;
    let team = asked
        .team
        .as_deref()
        .map(|t| fields::team("team", t))
        .transpose()?;
    let fits = match asked.role {
        Role::Admin | Role::Proxy => team.is_none(),
        Role::TeamAdmin => team.is_some(),
        Role::Reader => true,
    };
    if !fits {
        return Err(ApiError::invalid(
            "team",
            "team_admin needs a team; admin and proxy have none.",
        ));
    }
    let random = || -> std::io::Result<_> { Ok((Token::generate()?, secret::random::<8>()?)) };
    let (token, id) = random().map_err(|error| ApiError::internal(&error))?;
    let new = NewServiceToken {
        id: format!("tok_{}", hex::encode(id)),
        name: fields::name("name", &asked.name)?,
        digest: token.digest(),
        role: asked.role,
        team,
    };
    let (view, replayed) = service.store.create_token_once(new, once, &by).await?;
    tracing::info!(
        token = view.id,
        role = view.role.name(),
        by = by.actor,
        replayed,
        "token created"
    );
    Ok(Made {
        token: (!replayed).then_some(token),
        view,
    })
}

/// All tokens, without their text, with their latest use.
///
/// # Errors
/// Where the caller is no administrator, or the store does not answer.
pub async fn list(service: &Service, caller: &Caller) -> Result<Vec<ServiceToken>, ApiError> {
    caller.must_be_admin()?;
    let mut tokens = service.store.tokens().await?;
    for token in &mut tokens {
        token.last_used_at = token
            .last_used_at
            .max(service.authenticator.used(&token.id));
    }
    Ok(tokens)
}

/// Ends a token. One that has ended already stays as it is.
///
/// # Errors
/// Where the caller is no administrator, there is no such token, it is the last administrator's, or the store does not
/// answer.
pub async fn revoke(service: &Service, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let by = caller.must_be_admin()?;
    service.store.revoke_token(id, &by).await?;
    tracing::info!(token = id, by = by.actor, "token revoked");
    Ok(())
}
