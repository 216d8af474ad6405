//! What single keys were used for in the last days: for lists of keys, all of a page at once.

use std::collections::BTreeMap;

use gmtech_core::ident::{KeyId, TeamId};

use super::totals::Totals;
use crate::caller::Caller;
use crate::clock::{DAY_MINUTES, Millis};
use crate::error::ApiError;
use crate::service::Service;
use crate::store::{Dimension, Every, UsageQuery};

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
    let query = UsageQuery {
        by: vec![Dimension::Key],
        every: Some(Every::Day),
        from: Some(first * DAY_MINUTES),
        to: Some((now.day() + 1) * DAY_MINUTES),
        only: [(Dimension::Team, team.to_string())].into(),
        among: [(Dimension::Key, used.keys().map(KeyId::to_string).collect())].into(),
        ..UsageQuery::default()
    };
    for row in service.store.usage(&query).await?.items {
        let key = row.groups.get(&Dimension::Key);
        let key = key.and_then(|id| KeyId::new(id).ok());
        let Some(of) = key.and_then(|key| used.get_mut(&key)) else {
            continue;
        };
        let totals = Totals::of(&row);
        let at = row
            .start
            .and_then(|s| usize::try_from(s.day() - first).ok());
        if let Some(day) = at.and_then(|at| of.days.get_mut(at)) {
            *day = day.plus(&totals);
        }
        of.total = of.total.plus(&totals);
        of.last_used = of.last_used.max(row.last_used_at);
    }
    Ok(used)
}
