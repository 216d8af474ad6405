//! The audit log.

use serde::Deserialize;

use crate::caller::Caller;
use crate::clock::{DAY_MS, Millis, parse_day};
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{AuditEntry, AuditFilter, Page, PageRequest};

/// Which changes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskAudit {
    /// Only of this team.
    pub team: Option<String>,
    /// Only of this key, team or token.
    pub subject: Option<String>,
    /// Only by this token or person, as the log names them.
    #[param(min_length = 1)]
    pub actor: Option<String>,
    /// Only this action, as `key.revoke`.
    #[param(min_length = 1)]
    pub action: Option<String>,
    /// From this UTC day (2026-11-23) or instant (RFC 3339) on.
    pub from: Option<String>,
    /// Up to and with this UTC day, or up to this instant.
    pub to: Option<String>,
}

/// The audit log, the latest first, as far as this caller may see it.
///
/// # Errors
/// Where a filter is not what it must be, the team is none or not this caller's, or the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    asked: AskAudit,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, ApiError> {
    for (param, text) in [("subject", &asked.subject), ("actor", &asked.actor)] {
        text.as_deref().map_or(Ok(()), |text| named(param, text))?;
    }
    asked.action.as_deref().map_or(Ok(()), action)?;
    let bound = |param, text: &Option<String>, ends| {
        let text = text.as_deref();
        text.map(|text| bound(param, text, ends)).transpose()
    };
    let (from, to) = (
        bound("from", &asked.from, false)?,
        bound("to", &asked.to, true)?,
    );
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(ApiError::invalid("from", "from must be before to."));
    }
    let filter = AuditFilter {
        team: teams::narrow(service, caller, asked.team.as_deref()).await?,
        subject: asked.subject,
        actor: asked.actor,
        action: asked.action,
        from,
        to,
    };
    Ok(service.store.audit(&filter, page).await?)
}

/// Whom or what the log names: an id, or a person's address.
fn named(param: &str, text: &str) -> Result<(), ApiError> {
    match text.contains('@') {
        true => fields::email(param, text).map(drop),
        false => fields::id(param, text),
    }
}

fn action(text: &str) -> Result<(), ApiError> {
    let is_action = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_');
    if is_action {
        return Ok(());
    }
    Err(ApiError::invalid(
        "action",
        "action must be the name of an action, such as key.revoke.",
    ))
}

/// A UTC day, of which `ends` says that its end is meant, or an instant.
fn bound(param: &str, text: &str, ends: bool) -> Result<Millis, ApiError> {
    if let Some(day) = parse_day(text) {
        let day = day.saturating_add(i64::from(ends));
        return Ok(Millis(day.saturating_mul(DAY_MS)));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        ApiError::invalid(
            param,
            format!(
                "{param} must be a day, such as 2026-11-23, or an instant, such as 2026-11-23T12:00:00Z."
            ),
        )
    })?;
    Ok(Millis(at.as_millisecond()))
}
