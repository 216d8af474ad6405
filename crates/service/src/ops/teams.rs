//! Teams.

use gmtech_core::ident::TeamId;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::fields;
use crate::service::Service;
use crate::store::{By, CreatedTeam, NewTeam, Page, PageRequest, Policy, Team, TeamPatch};

/// A team to be made.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTeam {
    /// Its id: 1 to 64 letters, digits, `_`, `.` or `-`.
    pub id: String,
    /// What people call it; its id by default.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it may only spend what it has topped up. Otherwise the first top-up makes it so.
    #[serde(default)]
    pub prepaid: bool,
    /// What its own administrators may do with keys; by default the default tier, and nothing lifted or raised.
    #[serde(default)]
    pub policy: Option<Policy>,
}

/// Makes a team.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, the id is taken, or the store does not answer.
pub async fn create(
    service: &Service,
    caller: &Caller,
    asked: CreateTeam,
    token: Option<String>,
) -> Result<CreatedTeam, ApiError> {
    let by = caller.must_be_admin()?;
    let once = fields::once(token, &("team.create", &asked))?;
    let tiers = fields::tiers(service).await?;
    let new = NewTeam {
        id: fields::team("id", &asked.id)?,
        name: fields::name("name", asked.name.as_deref().unwrap_or(&asked.id))?,
        prepaid: asked.prepaid,
        policy: asked
            .policy
            .map(|p| fields::policy(&tiers, p))
            .transpose()?,
        once,
    };
    let made = service.store.create_team(new, &by).await?;
    tracing::info!(team = %made.team.id, by = by.actor, replayed = made.replayed, "team created");
    Ok(made)
}

/// The teams that this caller may see, by id.
///
/// # Errors
/// Where the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    page: &PageRequest,
) -> Result<Page<Team>, ApiError> {
    Ok(service.store.teams(caller.only_team()?, page).await?)
}

/// A team and its balance.
///
/// # Errors
/// Where this caller may see no such team, or the store does not answer.
pub async fn show(service: &Service, caller: &Caller, team: &str) -> Result<Team, ApiError> {
    let team = fields::path_team(team)?;
    caller.may_see(&team)?;
    Ok(service.store.team(&team).await?)
}

/// Changes a team's name, whether it is prepaid, or what its own administrators may do with keys.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn update(
    service: &Service,
    caller: &Caller,
    team: &str,
    mut patch: TeamPatch,
) -> Result<Team, ApiError> {
    let (team, by) = administered(caller, team)?;
    let tiers = fields::tiers(service).await?;
    patch.name = patch.name.map(|n| fields::name("name", &n)).transpose()?;
    patch.policy = patch
        .policy
        .map(|p| p.map(|p| fields::policy(&tiers, p)).transpose())
        .transpose()?;
    let team = service.store.update_team(&team, patch, &by).await?;
    tracing::info!(team = %team.id, by = by.actor, "team updated");
    Ok(team)
}

/// Closes a team for good: its keys are revoked, and nothing is done with it any more but to read it, to book what
/// its keys have used, and to pay back what is left.
///
/// # Errors
/// Where the caller may not, or the store does not answer.
pub async fn close(service: &Service, caller: &Caller, team: &str) -> Result<Team, ApiError> {
    let (team, by) = administered(caller, team)?;
    let team = service.store.close_team(&team, &by).await?;
    tracing::info!(team = %team.id, by = by.actor, "team closed");
    Ok(team)
}

/// The team that a list is restricted to: the requested one, or the caller's own; `None` is all.
///
/// # Errors
/// Where there is no such team for this caller, or the store does not answer.
pub async fn narrow(
    service: &Service,
    caller: &Caller,
    asked: Option<&str>,
) -> Result<Option<TeamId>, ApiError> {
    let Some(asked) = asked else {
        return Ok(caller.only_team()?.cloned());
    };
    let team = fields::team("team", asked)?;
    caller.may_see(&team)?;
    Ok(Some(service.store.team(&team).await?.id))
}

/// The team and who acts, if the caller is an administrator. A caller who may not see the team gets 404.
pub(super) fn administered(caller: &Caller, team: &str) -> Result<(TeamId, By), ApiError> {
    let team = fields::path_team(team)?;
    caller.may_see(&team)?;
    Ok((team, caller.must_be_admin()?))
}
