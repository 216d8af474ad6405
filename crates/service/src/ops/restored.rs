//! Changes that a restored database lacks, until an administrator acknowledges them.

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::Restored;

/// The lost changes, in the order in which they were made. For administrators: they concern all teams.
///
/// # Errors
/// Where the caller is no administrator, or the store does not answer.
pub async fn list(service: &Service, caller: &Caller) -> Result<Vec<Restored>, ApiError> {
    caller.must_be_admin()?;
    Ok(service.store.restored().await?)
}

/// Acknowledges all of them.
///
/// # Errors
/// As for [`list`].
pub async fn acknowledge(service: &Service, caller: &Caller) -> Result<(), ApiError> {
    let by = caller.must_be_admin()?;
    let changes = service.store.acknowledge(&by).await?;
    tracing::info!(
        by = by.actor,
        changes,
        "the changes that a restore has lost were acknowledged"
    );
    Ok(())
}
