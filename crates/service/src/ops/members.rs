//! Members of teams.

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{Member, NewMember};

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
/// Where the caller may not, the address is none, the team would have no owner any more and the caller is no administrator, or the
/// store does not answer.
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
    let member = service.store.put_member(&team, member, &by).await?;
    tracing::info!(%team, by = by.actor, role = ?member.role, "member put");
    Ok(member)
}

/// Removes a member.
///
/// # Errors
/// As [`put`], and where there is no such member or it owns keys that have not ended.
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
    service.store.remove_member(&team, &email, &by).await?;
    tracing::info!(%team, by = by.actor, "member removed");
    Ok(())
}
