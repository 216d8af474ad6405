//! The audit log.

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{AuditEntry, AuditFilter, Page, PageRequest};

/// The audit log, the newest first, as far as this caller may see it.
///
/// # Errors
/// Where the team is none or not this caller's, or the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    team: Option<&str>,
    subject: Option<String>,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, ApiError> {
    if let Some(subject) = &subject {
        fields::id("subject", subject)?;
    }
    let filter = AuditFilter {
        team: teams::narrow(service, caller, team).await?,
        subject,
    };
    Ok(service.store.audit(&filter, page).await?)
}
