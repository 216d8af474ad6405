//! Credit: top-ups, corrections, and the ledger of all that moved a balance.

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::money::{MAX_AMOUNT, parse_usd};
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{LedgerRow, NewCredit, Page, PageRequest, Team};

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

/// Tops up a team's credit pool, or corrects it.
///
/// # Errors
/// Where the caller may not, a field is not what it must be, or the store does not answer.
pub async fn add(
    service: &Service,
    caller: &Caller,
    team: &str,
    asked: Credit,
    token: Option<String>,
) -> Result<Team, ApiError> {
    let (team, by) = teams::administered(caller, team)?;
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
    let team = teams::show(service, caller, team).await?;
    Ok(service.store.ledger(&team.id, page).await?)
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
