//! Members of teams.

use gmtech_core::ident::TeamId;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{Member, MemberRole, NewMember};

/// A team's members.
///
/// # Errors
/// Where this caller may see no such team, or the store does not answer.
pub async fn list(service: &Service, caller: &Caller, team: &str) -> Result<Vec<Member>, ApiError> {
    let team = teams::show(service, caller, team).await?;
    Ok(service.store.members(&team.id).await?)
}

/// Adds a member, or changes what the person is to the team.
///
/// # Errors
/// Where the caller may not, the address is none, or the store does not answer.
pub async fn put(
    service: &Service,
    caller: &Caller,
    team: &str,
    member: NewMember,
) -> Result<Member, ApiError> {
    let team = fields::path_team(team)?;
    let by = caller.may_change(&team)?;
    let member = NewMember {
        email: fields::email("email", &member.email)?,
        ..member
    };
    if member.role != MemberRole::Owner {
        not_the_last_owner(service, caller, &team, &member.email).await?;
    }
    let member = service.store.put_member(&team, member, &by).await?;
    tracing::info!(%team, by = by.actor, role = ?member.role, "member put");
    Ok(member)
}

/// Removes a member.
///
/// # Errors
/// Where the caller may not, there is no such member, or the store does not answer.
pub async fn remove(
    service: &Service,
    caller: &Caller,
    team: &str,
    email: &str,
) -> Result<(), ApiError> {
    let team = fields::path_team(team)?;
    let by = caller.may_change(&team)?;
    // A text that is no address is answered 404, as an unknown member is.
    let email = fields::email("email", email).map_err(|_| ApiError::not_found("member"))?;
    not_the_last_owner(service, caller, &team, &email).await?;
    service.store.remove_member(&team, &email, &by).await?;
    tracing::info!(%team, by = by.actor, "member removed");
    Ok(())
}

/// Refuses the last owner's own wish to be one no more: nobody could manage the team then. Administrators may.
async fn not_the_last_owner(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    email: &str,
) -> Result<(), ApiError> {
    if caller.is_admin() || caller.email() != Some(email) {
        return Ok(());
    }
    let members = service.store.members(team).await?;
    let is_other_owner = |of: &Member| of.role == MemberRole::Owner && of.email != email;
    match members.iter().any(is_other_owner) {
        true => Ok(()),
        false => Err(ApiError::invalid(
            "role",
            "You are the last owner of this team. Make somebody else an owner first.",
        )),
    }
}
