//! Who changed what, and which proxies follow.

use crate::caller::Caller;
use crate::error::ApiError;
use crate::ops::{fields, teams};
use crate::service::Service;
use crate::store::{AuditEntry, AuditFilter, Head, Page, PageRequest, Proxy};
use crate::sync::receipts;

/// The audit log, the newest first, as far as this caller may see it.
///
/// # Errors
/// Where the team is none or not this caller's, or the store does not answer.
pub async fn log(
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

/// The live proxies, and the version that there is to apply.
///
/// # Errors
/// Where the store does not answer.
pub async fn proxies(service: &Service, _caller: &Caller) -> Result<(Head, Vec<Proxy>), ApiError> {
    let head = service.store.head().await?;
    Ok((head, receipts::live(service).await?))
}
