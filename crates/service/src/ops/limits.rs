//! The limits of a team's keys as they stand, for people who watch them.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use gmtech_core::ident::KeyId;
use gmtech_core::limiter::Dimension;

use crate::caller::Caller;
use crate::clock::{HOUR_MINUTES, MINUTE_MS, Millis};
use crate::error::ApiError;
use crate::levels::{LiveLevel, Watching};
use crate::ops::keys::{self, ListKeys};
use crate::service::Service;
use crate::store::{KeyInfo, KeySort, PageRequest, Standing};

/// A key with its limits.
pub(crate) struct KeyLimits {
    /// The key.
    pub(crate) key: KeyInfo,
    /// Each limit that it has: its own, else its tier's. Empty where the service does not know its tier.
    pub(crate) limits: Vec<(Dimension, u32)>,
}

/// A page of a team's active keys with their limits, the latest used first.
pub(crate) struct Shown {
    /// The keys.
    pub(crate) keys: Vec<KeyLimits>,
    /// Where the next page starts; `None` on the last.
    pub(crate) next: Option<String>,
}

/// A page of a team's active keys with their limits.
///
/// # Errors
/// Where this caller may see no such team, the page is none, or the store does not answer.
pub(crate) async fn list(
    service: &Service,
    caller: &Caller,
    team: &str,
    page: &PageRequest,
) -> Result<Shown, ApiError> {
    let asked = ListKeys {
        team: Some(team.to_owned()),
        status: Some(Standing::Active),
        sort: Some(KeySort::LastUsed),
        ..ListKeys::default()
    };
    let found = keys::list(service, caller, asked, page).await?;
    let tiers = service.store.tiers().await?;
    let keys = found.items.into_iter().map(|key| {
        let tier = tiers.iter().find(|tier| tier.name == key.record.tier);
        let limits = tier.map(|tier| tier.tier.limits(&key.record.limits));
        let limits = limits.map_or_else(Vec::new, |limits| {
            let rates = [
                (Dimension::Requests, limits.requests.map(|l| l.rate())),
                (Dimension::Tokens, limits.tokens.map(|l| l.rate())),
                (Dimension::InFlight, limits.max_in_flight.map(Into::into)),
            ];
            let given = rates.into_iter();
            given.filter_map(|(what, n)| Some((what, n?))).collect()
        });
        KeyLimits { key, limits }
    });
    Ok(Shown {
        keys: keys.collect(),
        next: found.next,
    })
}

/// The refusals of the last hour of these keys by reason.
///
/// # Errors
/// Where the store does not answer.
pub(crate) async fn refused(
    service: &Service,
    keys: &[KeyId],
    now: Millis,
) -> Result<BTreeMap<String, BTreeMap<String, i64>>, ApiError> {
    let end = now.0.div_euclid(MINUTE_MS) + 1;
    let kept = service.store.usage_kept().await?.minutes_from;
    let span = (end.saturating_sub(HOUR_MINUTES).max(kept), end);
    Ok(service.store.refusals_of_keys(keys, span).await?)
}

/// Watches a team's limits for as long as what is returned lives: proxies report them meanwhile.
///
/// # Errors
/// 404 where this caller may see no such team; 429 where too many watch.
pub(crate) fn watch(
    service: &Service,
    caller: &Caller,
    team: &gmtech_core::ident::TeamId,
    person: &str,
) -> Result<Watching, ApiError> {
    caller.may_see(team)?;
    let watching = service.levels.watch(team, person);
    watching.map_err(|why| ApiError::too_many(format!("{why}.")))
}

/// The present levels of these accounts, for those that a proxy reports.
pub(crate) fn levels(
    watching: &Watching,
    accounts: &HashSet<KeyId>,
) -> Vec<(KeyId, Vec<LiveLevel>)> {
    watching.levels(accounts, clock())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a native program: std's clocks work here"
)]
fn clock() -> Instant {
    Instant::now()
}
