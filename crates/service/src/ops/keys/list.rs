//! Lists of keys.

use gmtech_core::ident::TierName;

use super::ListKeys;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::{fields, marks, teams};
use crate::service::Service;
use crate::store::{KeyFilter, KeyInfo, Page, PageRequest};

/// The keys that this caller may see, in the order asked for. A page may have fewer than its limit, even none, before the
/// last.
///
/// # Errors
/// Where a filter is not what it must be, or the store does not answer.
pub async fn list(
    service: &Service,
    caller: &Caller,
    asked: ListKeys,
    page: &PageRequest,
) -> Result<Page<KeyInfo>, ApiError> {
    let filter = filter(service, caller, asked).await?;
    Ok(service.store.keys(&filter, page).await?)
}

/// The keys of a team that the list passes and that begin with the text that it searches for, by name: at most `limit`. The list
/// must be of one team.
///
/// # Errors
/// As [`list`].
pub(crate) async fn beginning(
    service: &Service,
    caller: &Caller,
    asked: ListKeys,
    limit: u32,
) -> Result<Vec<KeyInfo>, ApiError> {
    let filter = filter(service, caller, asked).await?;
    let Some(team) = &filter.team else {
        return Ok(Vec::new());
    };
    let found = service.store.keys_beginning(team, &filter, limit).await?;
    Ok(found)
}

async fn filter(
    service: &Service,
    caller: &Caller,
    asked: ListKeys,
) -> Result<KeyFilter, ApiError> {
    let instant = |name: &str, text: Option<String>| {
        text.map(|text| fields::instant(name, &text)).transpose()
    };
    Ok(KeyFilter {
        standing: asked.status.map(|standing| (standing, Millis::now())),
        tag: asked.tag.map(|t| marks::tag("tag", t)).transpose()?,
        owner: asked
            .owner
            .map(|o| fields::email("owner", &o))
            .transpose()?,
        tier: asked.tier.map(|t| tier_of_filter(&t)).transpose()?,
        search: asked
            .search
            .map(|s| fields::name("search", &s).map(|s| s.to_lowercase()))
            .transpose()?,
        expires_before: instant("expires_before", asked.expires_before)?,
        expires_after: instant("expires_after", asked.expires_after)?,
        sort: asked.sort.unwrap_or_default(),
        reversed: asked.reverse.unwrap_or(false),
        team: teams::narrow(service, caller, asked.team.as_deref()).await?,
    })
}

/// A tier to list keys by. It need not exist: keys that are revoked may have one that is gone.
fn tier_of_filter(text: &str) -> Result<TierName, ApiError> {
    TierName::new(text).map_err(|why| ApiError::invalid("tier", format!("tier {why}.")))
}
