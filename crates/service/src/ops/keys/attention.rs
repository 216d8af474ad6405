//! Keys that deserve a look.

use gmtech_core::ident::TeamId;

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Attention, KeyInfo};

/// How many keys of a team there are to look at, for each reason; at most 1,000 of each are counted.
///
/// # Errors
/// Where the caller may not see the team, or the store does not answer.
pub async fn counts(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    now: Millis,
) -> Result<Vec<(Attention, u32)>, ApiError> {
    caller.may_see(team)?;
    let mut counts = Vec::new();
    for attention in Attention::ALL {
        let count = service.store.count_to_look_at(team, attention, now).await?;
        counts.push((attention, count));
    }
    Ok(counts)
}

/// The keys of a team to look at for one reason, after the first `skip`, at most `limit`; and whether there are more.
///
/// # Errors
/// As [`counts`].
pub async fn list(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    (attention, now): (Attention, Millis),
    (skip, limit): (u32, u32),
) -> Result<(Vec<KeyInfo>, bool), ApiError> {
    caller.may_see(team)?;
    let wanted = limit.saturating_add(1);
    let mut keys = service
        .store
        .keys_to_look_at(team, attention, now, skip, wanted)
        .await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = keys.len() > limit;
    keys.truncate(limit);
    Ok((keys, more))
}
