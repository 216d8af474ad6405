//! What a restored database lacks, until somebody has seen to it.

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::Restored;

/// What is lost, in the order in which it was done. For administrators: it tells of all teams.
///
/// # Errors
/// Where the caller is no administrator, or the store does not answer.
pub async fn list(service: &Service, caller: &Caller) -> Result<Vec<Restored>, ApiError> {
    caller.must_be_admin()?;
    Ok(service.store.restored().await?)
}

/// All of it was seen to.
///
/// # Errors
/// As for [`list`].
pub async fn acknowledge(service: &Service, caller: &Caller) -> Result<(), ApiError> {
    let by = caller.must_be_admin()?;
    let changes = service.store.acknowledge(&by).await?;
    tracing::info!(
        by = by.actor,
        changes,
        "what was lost by a restore was seen to"
    );
    Ok(())
}
