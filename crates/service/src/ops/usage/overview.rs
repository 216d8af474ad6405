//! The usage of a team as its page shows it.

use std::sync::Arc;

use gmtech_core::ident::TeamId;

use super::chart::{Chart, Subject};
use super::kept::Charts;
use super::range::{AskRange, Range};
use super::totals::Measure;
use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::fields;
use crate::service::Service;
use crate::store::{Dimension, KeyInfo};

/// What can be told apart, in the order in which it is offered.
pub const GROUPINGS: [Dimension; 6] = [
    Dimension::Model,
    Dimension::Key,
    Dimension::Owner,
    Dimension::Tag,
    Dimension::Endpoint,
    Dimension::Decision,
];

/// Which usage, as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct AskOverview {
    /// A name of [`Measure`]; cost by default.
    pub measure: Option<String>,
    /// A name of one of [`GROUPINGS`]; the model by default.
    pub by: Option<String>,
    /// The time.
    pub range: AskRange,
    /// Only of this key of the team.
    pub key: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What is looked at.
    pub measure: Measure,
    /// What is told apart.
    pub by: Dimension,
    /// The time, and the one that it is compared with.
    pub range: Range,
    /// The only key.
    pub key: Option<KeyInfo>,
}

/// The usage of a team.
#[derive(Clone, Debug)]
pub struct Overview {
    /// What was asked for.
    pub view: View,
    /// The answer; `None` where it is still being made.
    pub chart: Option<Arc<Chart>>,
    /// From when the answer is, if it was kept.
    pub since: Option<Millis>,
}

/// Reads what was asked of a team; `now` is the present.
///
/// # Errors
/// Where a part of it is not what it must be, or the caller may see no such key or team; where the store does not answer.
pub async fn view(
    service: &Service,
    caller: &Caller,
    team: &TeamId,
    asked: &AskOverview,
    now: Millis,
) -> Result<View, ApiError> {
    caller.may_see(team)?;
    let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let measure = match given(&asked.measure) {
        None => Measure::Cost,
        Some(name) => Measure::named(&name).ok_or_else(|| {
            let known = Measure::NAMES.join(", ");
            ApiError::invalid("measure", format!("measure must be one of {known}."))
        })?,
    };
    let by = match given(&asked.by) {
        None => Dimension::Model,
        Some(name) => {
            let named = Dimension::named(&name).filter(|by| GROUPINGS.contains(by));
            named.ok_or_else(|| {
                let known = GROUPINGS.map(Dimension::name).join(", ");
                ApiError::invalid("by", format!("by must be one of {known}."))
            })?
        }
    };
    let range = Range::read(&asked.range, now)?;
    let key = match given(&asked.key) {
        None => None,
        Some(id) => {
            let key = service.store.key(&fields::key_id(&id)?).await?;
            if key.record.team != *team {
                return Err(ApiError::not_found("key"));
            }
            Some(key)
        }
    };
    Ok(View {
        measure,
        by,
        range,
        key,
    })
}

/// The usage of a team.
///
/// # Errors
/// Where the caller may not see the team, or the store does not answer.
pub async fn overview(
    service: &Service,
    charts: &Charts,
    caller: &Caller,
    team: &TeamId,
    view: View,
    now: Millis,
) -> Result<Overview, ApiError> {
    caller.may_see(team)?;
    let subject = Subject {
        team: team.to_string(),
        key: view.key.as_ref().map(|key| key.record.id.to_string()),
        by: view.by,
    };
    let found = charts
        .get(&service.store, &subject, &view.range, now)
        .await?;
    Ok(Overview {
        view,
        since: found.as_ref().and_then(|dated| dated.since),
        chart: found.map(|dated| dated.chart),
    })
}
