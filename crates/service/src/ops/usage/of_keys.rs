//! What single keys were used for in the last days: for lists of keys, all of a page at once.

use std::collections::BTreeMap;

use gmtech_core::ident::{KeyId, TeamId};

use super::totals::Totals;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::service::Service;

/// How many days are looked at.
pub const DAYS: usize = 30;

/// The most keys at once.
pub const MAX_KEYS: usize = 100;

/// What a key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// In all of the days.
    pub total: Totals,
    /// Day by day, the present one last.
    pub days: Vec<Totals>,
    /// The start of its last request in these days.
    pub last_used: Option<Millis>,
}

/// What these keys of a team were used for in the last [`DAYS`] days, this one included. A key that was not used, or that is
/// not the team's, has nothing.
///
/// # Errors
/// Where there are too many keys, the caller may not see the team, or the store does not answer.
pub async fn of_keys(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    keys: &[KeyId],
    now: Millis,
) -> Result<BTreeMap<KeyId, KeyUsage>, ApiError> {
    caller.may_see(team)?;
    if keys.len() > MAX_KEYS {
        let message = format!("At most {MAX_KEYS} keys at once.");
        return Err(ApiError::invalid("ids", message));
    }
    let count = i64::try_from(DAYS).unwrap_or(i64::MAX);
    let first = now.day() + 1 - count;
    let mut used: BTreeMap<KeyId, KeyUsage> = keys
        .iter()
        .map(|key| {
            let none = KeyUsage {
                total: Totals::default(),
                days: vec![Totals::default(); DAYS],
                last_used: None,
            };
            (key.clone(), none)
        })
        .collect();
    if used.is_empty() {
        return Ok(used);
    }
    let ids: Vec<KeyId> = used.keys().cloned().collect();
    let days = (first, now.day() + 1);
    for row in service.store.days_of_keys(team, &ids, days).await? {
        let Some(of) = KeyId::new(&row.key).ok().and_then(|key| used.get_mut(&key)) else {
            continue;
        };
        let totals = Totals::of_day(&row);
        let at = usize::try_from(row.day - first).ok();
        if let Some(day) = at.and_then(|at| of.days.get_mut(at)) {
            *day = day.plus(&totals);
        }
        of.total = of.total.plus(&totals);
        of.last_used = of.last_used.max(Some(row.last_used_at));
    }
    Ok(used)
}
