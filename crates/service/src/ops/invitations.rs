//! Invitations into a team, by link.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::sign_in::Newcomer;
use crate::ops::{fields, people, sign_in, teams};
use crate::secret;
use crate::service::Service;
use crate::store::{Invitation, MemberRole, NewInvitation, Person, StoreError};

/// How long an invitation is open: a week.
const LIFE: Duration = Duration::from_secs(7 * 86_400);

/// An invitation to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Whom.
    #[schema(format = Email)]
    pub email: String,
    /// As what.
    pub role: MemberRole,
}

/// A new invitation.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Invited {
    /// The address to send: shown now and never again.
    pub url: String,
    /// Its path, for a service that is reached by another address.
    pub path: String,
    /// What is known of it.
    #[serde(flatten)]
    pub invitation: Invitation,
}

/// Invites somebody into a team. An open invitation of the same address is revoked.
///
/// # Errors
/// Where the caller may not change the team, the address is none or a member's already, or the store does not answer.
pub async fn invite(
    service: &Service,
    caller: &Caller,
    team: &str,
    asked: Invite,
) -> Result<Invited, ApiError> {
    let team = fields::path_team(team)?;
    let by = caller.may_change(&team)?;
    let email = fields::email("email", asked.email.trim())?.to_ascii_lowercase();
    let token = people::new_token()?;
    let id = secret::random::<8>().map_err(|error| ApiError::internal(&error))?;
    let new = NewInvitation {
        id: format!("inv_{}", hex::encode(id)),
        digest: secret::digest(&token),
        team,
        email,
        role: asked.role,
        expires_at: by.now.after(LIFE),
    };
    let invitation = service.store.invite(new, &by).await?;
    tracing::info!(team = %invitation.team, by = by.actor, role = invitation.role.name(), "invited");
    let path = format!("/users/invitations/{token}");
    Ok(Invited {
        url: service.page_url(&path),
        path,
        invitation,
    })
}

/// A team's open invitations. Only those who may make them see them.
///
/// # Errors
/// Where the caller may not, or the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    team: &str,
) -> Result<Vec<Invitation>, ApiError> {
    let team = teams::show(service, caller, team).await?.id;
    let by = caller.may_change(&team)?;
    Ok(service.store.invitations(&team, by.now).await?)
}

/// Revokes an invitation; one that is not open any more stays as it is.
///
/// # Errors
/// Where the caller may not, there is no such invitation, or the store does not answer.
pub async fn revoke(
    service: &Service,
    caller: &Caller,
    team: &str,
    id: &str,
) -> Result<(), ApiError> {
    let team = fields::path_team(team)?;
    let by = caller.may_change(&team)?;
    service.store.revoke_invitation(&team, id, &by).await?;
    tracing::info!(%team, invitation = id, by = by.actor, "invitation revoked");
    Ok(())
}

/// The open invitation of a link, and whether the invited address has an account.
///
/// # Errors
/// 404 where it was accepted or revoked, or has ended; 503.
pub(crate) async fn open(service: &Service, token: &str) -> Result<(Invitation, bool), ApiError> {
    let found = service.store.invitation(&secret::digest(token)).await?;
    let invitation = found
        .filter(|invitation| invitation.is_open(Millis::now()))
        .ok_or_else(ended)?;
    let account = service.store.account(&invitation.email).await?;
    Ok((invitation, account.is_some()))
}

/// Accepts an invitation as the person who has signed in.
///
/// # Errors
/// 403 where it is for another address; 404 where it is not open any more; 503.
pub(crate) async fn accept(
    service: &Service,
    token: &str,
    email: &str,
) -> Result<Invitation, ApiError> {
    let (invitation, _) = open(service, token).await?;
    if invitation.email != email {
        return Err(ApiError::forbidden(&format!(
            "This invitation is for {}, and you have signed in as {email}. Sign out first.",
            invitation.email
        )));
    }
    let done = service
        .store
        .accept_invitation(&secret::digest(token), None, Millis::now())
        .await;
    let (invitation, person) = done.map_err(not_open)?;
    tracing::info!(team = %invitation.team, person = person.id, "invitation accepted");
    Ok(invitation)
}

/// Accepts an invitation and makes the account of the invited address, which must not be there yet.
///
/// # Errors
/// 400 for a field that is wrong; 404 where it is not open any more; 409 where there is an account; 503.
pub(crate) async fn accept_as_newcomer(
    service: &Service,
    token: &str,
    who: &Newcomer,
) -> Result<(Invitation, Person), ApiError> {
    let (invitation, _) = open(service, token).await?;
    let new = sign_in::newcomer(&invitation.email, who, true).await?;
    let done = service
        .store
        .accept_invitation(&secret::digest(token), Some(new), Millis::now())
        .await;
    let (invitation, person) = done.map_err(not_open)?;
    tracing::info!(team = %invitation.team, person = person.id, "invitation accepted");
    Ok((invitation, person))
}

fn not_open(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound("invitation") => ended(),
        other => other.into(),
    }
}

fn ended() -> ApiError {
    ApiError::missing(
        "This invitation does not work: it was used or revoked, or it has ended. Ask an owner of the team for another one.",
    )
}
