//! Teams, their members, their credit.

use gmtech_core::ident::TeamId;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::money::{MAX_AMOUNT, parse_usd};
use crate::ops::fields;
use crate::policy::Policy;
use crate::service::Service;
use crate::store::{
    By, CreatedTeam, LedgerRow, Member, NewCredit, NewMember, NewTeam, Page, PageRequest, Team,
    TeamPatch,
};

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

/// Credit for a team. One of the two amounts.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// Dollars as text (`"25.00"`); below zero is a correction.
    #[serde(default)]
    #[schema(pattern = r"^-?[0-9]{1,10}(\.[0-9]{1,9})?$")]
    pub amount_usd: Option<String>,
    /// The same in nano-dollars.
    #[serde(default)]
    #[schema(minimum = -1_000_000_000_000_000_000_i64, maximum = 1_000_000_000_000_000_000_i64)]
    pub amount_nano_usd: Option<i64>,
    /// What for.
    #[serde(default)]
    pub note: String,
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
    let new = NewTeam {
        id: fields::team("id", &asked.id)?,
        name: fields::name("name", asked.name.as_deref().unwrap_or(&asked.id))?,
        prepaid: asked.prepaid,
        policy: asked
            .policy
            .map(|p| fields::policy(service, p))
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
    Ok(service.store.teams(caller.only_team(), page).await?)
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
    patch.name = patch.name.map(|n| fields::name("name", &n)).transpose()?;
    patch.policy = patch
        .policy
        .map(|p| p.map(|p| fields::policy(service, p)).transpose())
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

/// The only team that a list is of: the one that was asked for, or the caller's own; `None` is all.
///
/// # Errors
/// Where there is no such team for this caller, or the store does not answer.
pub async fn narrow(
    service: &Service,
    caller: &Caller,
    asked: Option<&str>,
) -> Result<Option<TeamId>, ApiError> {
    let Some(asked) = asked else {
        return Ok(caller.only_team().cloned());
    };
    let team = fields::team("team", asked)?;
    caller.may_see(&team)?;
    Ok(Some(service.store.team(&team).await?.id))
}

/// A team's members.
///
/// # Errors
/// Where this caller may see no such team, or the store does not answer.
pub async fn members(
    service: &Service,
    caller: &Caller,
    team: &str,
) -> Result<Vec<Member>, ApiError> {
    let team = show(service, caller, team).await?;
    Ok(service.store.members(&team.id).await?)
}

/// Adds a member, or changes what the person is to the team.
///
/// # Errors
/// Where the caller may not, the address is none, or the store does not answer.
pub async fn put_member(
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
/// Where the caller may not, there is no such member, or the store does not answer.
pub async fn remove_member(
    service: &Service,
    caller: &Caller,
    team: &str,
    email: &str,
) -> Result<(), ApiError> {
    let team = fields::path_team(team)?;
    let by = caller.may_change(&team)?;
    // What is no address is nobody's.
    let email = fields::email("email", email).map_err(|_| ApiError::not_found("member"))?;
    service.store.remove_member(&team, &email, &by).await?;
    tracing::info!(%team, by = by.actor, "member removed");
    Ok(())
}

/// Tops up a team's credit pool, or corrects it.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn credit(
    service: &Service,
    caller: &Caller,
    team: &str,
    asked: Credit,
    token: Option<String>,
) -> Result<Team, ApiError> {
    let (team, by) = administered(caller, team)?;
    let amount = amount(&asked)?;
    let entry = NewCredit {
        amount,
        note: fields::optional_text("note", &asked.note)?,
        once: fields::once(token, &("team.credit", &team, &asked))?,
    };
    let team = service.store.credit(&team, entry, &by).await?;
    tracing::info!(team = %team.id, by = by.actor, amount, balance = team.balance_nano_usd, "credit");
    Ok(team)
}

/// What moved a team's balance, the newest first.
///
/// # Errors
/// Where this caller may see no such team, or the store does not answer.
pub async fn ledger(
    service: &Service,
    caller: &Caller,
    team: &str,
    page: &PageRequest,
) -> Result<Page<LedgerRow>, ApiError> {
    let team = show(service, caller, team).await?;
    Ok(service.store.ledger(&team.id, page).await?)
}

/// What only an administrator does to a team. Whoever may not see it is told that there is none.
fn administered(caller: &Caller, team: &str) -> Result<(TeamId, By), ApiError> {
    let team = fields::path_team(team)?;
    caller.may_see(&team)?;
    Ok((team, caller.must_be_admin()?))
}

fn amount(asked: &Credit) -> Result<i64, ApiError> {
    let amount = match (&asked.amount_usd, asked.amount_nano_usd) {
        (Some(usd), None) => parse_usd(usd),
        (None, Some(nanos)) => Some(nanos),
        _ => None,
    };
    amount
        .filter(|a| *a != 0 && (-MAX_AMOUNT..=MAX_AMOUNT).contains(a))
        .ok_or_else(|| {
            ApiError::invalid(
                "amount_usd",
                "Give one amount, not zero and at most a billion dollars: amount_usd as text (\"25.00\") or \
                 amount_nano_usd.",
            )
        })
}
