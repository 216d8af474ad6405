//! What is recorded of single requests.

use gmtech_core::ident::TeamId;
use gmtech_core::sync::events::Label;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::RequestRecord;

/// What is recorded of the request with this `x-request-id`, of what this caller may see.
///
/// # Errors
/// 404 where nothing is; where the store does not answer.
pub async fn show(
    service: &Service,
    caller: &Caller,
    id: &str,
) -> Result<Vec<RequestRecord>, ApiError> {
    found(service, caller.only_team()?, id).await
}

/// As [`show`], of one team.
///
/// # Errors
/// As [`show`], and where the caller may not see the team.
pub async fn show_of_team(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    id: &str,
) -> Result<Vec<RequestRecord>, ApiError> {
    caller.may_see(team)?;
    found(service, Some(team), id).await
}

async fn found(
    service: &Service,
    team: Option<&TeamId>,
    id: &str,
) -> Result<Vec<RequestRecord>, ApiError> {
    let id = Label::clip(id);
    let found = service.store.request(id.as_str(), team).await?;
    if found.is_empty() {
        let days = service.keep_events_days;
        return Err(ApiError::missing(format!(
            "There is no record of this request. Single requests are kept for {days} days. One that was refused has no \
             record of its own: refusals are summed, see usage by decision. One that has just ended arrives within seconds."
        )));
    }
    Ok(found)
}
