//! Reports of usage, in groups and spans of time.

use std::collections::BTreeMap;
use std::fmt::Display;

use gmtech_core::model::ModelId;
use gmtech_core::request::EndpointGroup;
use gmtech_core::sync::events::Label;

use crate::caller::Caller;
use crate::clock::{DAY_MINUTES, HOUR_MINUTES, MINUTE_MS, Millis, parse_day};
use crate::error::ApiError;
use crate::ops::{fields, marks};
use crate::service::Service;
use crate::store::{Dimension, Every, Kept, Page, Rollup, UsageCursor, UsageQuery, UsageRow};

/// The most groups on a page, and how many there are by default.
pub const MAX_GROUPS: u32 = 10_000;
const DEFAULT_GROUPS: u32 = 1_000;

/// Which usage, as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct AskUsage {
    /// What to group by: names of [`Dimension`]s, with commas between them.
    pub by: Option<String>,
    /// A name of [`Every`], or `none`.
    pub every: Option<String>,
    /// From this day or instant on.
    pub from: Option<String>,
    /// Up to and with this day, or up to this instant.
    pub to: Option<String>,
    /// Only of this team.
    pub team: Option<String>,
    /// Only of this key.
    pub key: Option<String>,
    /// Only of this model.
    pub model: Option<String>,
    /// Only of this group of endpoints.
    pub endpoint: Option<String>,
    /// Only with this decision.
    pub decision: Option<String>,
    /// Only of keys of this owner.
    pub owner: Option<String>,
    /// Only of keys with this tag.
    pub tag: Option<String>,
    /// What the page before gave as `next`.
    pub after: Option<String>,
    /// At most so many groups.
    pub limit: Option<u32>,
}

/// Usage in groups.
#[derive(Debug)]
pub struct Usage {
    /// What the groups are grouped by.
    pub by: Vec<Dimension>,
    /// Their spans of time.
    pub every: Option<Every>,
    /// The groups.
    pub page: Page<UsageRow>,
}

/// Usage in groups, of what this caller may see; `now` is the present.
///
/// # Errors
/// Where a part of the question is not what it must be, names what is not there, or asks for more detail than is kept;
/// where the store does not answer.
pub async fn query(
    service: &Service,
    caller: &Caller,
    asked: AskUsage,
    now: Millis,
) -> Result<Usage, ApiError> {
    let (by, every) = told_apart(asked.by.as_deref(), asked.every.as_deref())?;
    let limit = asked.limit.unwrap_or(DEFAULT_GROUPS);
    if !(1..=MAX_GROUPS).contains(&limit) {
        return Err(ApiError::invalid(
            "limit",
            format!("limit must be 1 to {MAX_GROUPS}."),
        ));
    }
    let after = asked
        .after
        .as_deref()
        .map(|text| UsageCursor::decode(text, &by, every).ok_or_else(ApiError::no_page));
    let after = after.transpose()?;
    let span = Span::read(&asked, every, now)?;
    let only = only(service, caller, &asked).await?;
    let from = match span.source {
        Rollup::Days => span.from,
        source => Some(span.kept(source, service.store.usage_kept().await?)?),
    };
    let query = UsageQuery {
        by,
        every,
        source: span.source,
        from,
        to: span.to,
        only,
        after,
        limit,
        ..UsageQuery::default()
    };
    let page = service.store.usage(&query).await?;
    Ok(Usage {
        by: query.by,
        every: query.every,
        page,
    })
}

/// The dimensions and the spans of time by which usage is grouped.
fn told_apart(
    by: Option<&str>,
    every: Option<&str>,
) -> Result<(Vec<Dimension>, Option<Every>), ApiError> {
    let span = Every::named;
    let mut spans: Vec<Every> = Vec::new();
    match every {
        None | Some("none") => {}
        Some(name) => spans.push(span(name).ok_or_else(|| {
            let known = Every::NAMES.join(", ");
            ApiError::invalid("every", format!("every must be one of {known}, none."))
        })?),
    }
    let mut dimensions: Vec<Dimension> = Vec::new();
    for name in by.unwrap_or_default().split(',').map(str::trim) {
        let dimension = Dimension::named(name);
        match (dimension, span(name)) {
            (Some(dimension), _) if !dimensions.contains(&dimension) => dimensions.push(dimension),
            (Some(_), _) => {}
            // A span of time counts as a dimension too.
            (None, Some(every)) => spans.push(every),
            (None, None) if name.is_empty() => {}
            (None, None) => {
                let known = Dimension::NAMES.join(", ");
                let message = format!("by must list any of {known}, with commas between them.");
                return Err(ApiError::invalid("by", message));
            }
        }
    }
    spans.dedup();
    if spans.len() > 1 {
        return Err(ApiError::invalid(
            "every",
            "every must be one span of time.",
        ));
    }
    let every = spans.first().copied();
    if by.is_none() && every.is_none() {
        dimensions.push(Dimension::Key);
    }
    Ok((dimensions, every))
}

/// The times of a question, in minutes since the Unix epoch, and the coarsest sums that answer it exactly.
struct Span {
    from: Option<i64>,
    to: Option<i64>,
    source: Rollup,
    /// Whether `from` is the default.
    is_default: bool,
}

impl Span {
    fn read(asked: &AskUsage, every: Option<Every>, now: Millis) -> Result<Self, ApiError> {
        let read = |param, text: &Option<String>, ends| {
            let text = text.as_deref();
            text.map(|t| minute(param, t, ends)).transpose()
        };
        let from = read("from", &asked.from, false)?;
        let to = read("to", &asked.to, true)?;
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(ApiError::invalid("from", "from must be before to."));
        }
        let whole = |unit: i64| from.into_iter().chain(to).all(|minute| minute % unit == 0);
        let source = match every {
            Some(Every::Minute) => Rollup::Minutes,
            Some(Every::Hour) if whole(HOUR_MINUTES) => Rollup::Hours,
            Some(Every::Day | Every::Month) | None if whole(DAY_MINUTES) => Rollup::Days,
            Some(Every::Day | Every::Month) | None if whole(HOUR_MINUTES) => Rollup::Hours,
            _ => Rollup::Minutes,
        };
        let end = to.unwrap_or(now.0.div_euclid(MINUTE_MS) + 1);
        let default = match every {
            _ if from.is_some() => from,
            Some(Every::Minute) => Some(end.saturating_sub(HOUR_MINUTES)),
            Some(Every::Hour) => {
                let whole = end.saturating_sub(DAY_MINUTES).div_euclid(HOUR_MINUTES);
                Some(whole.saturating_mul(HOUR_MINUTES))
            }
            Some(Every::Day | Every::Month) | None if source == Rollup::Days => None,
            Some(Every::Day | Every::Month) | None => {
                let message = "from is needed where to is not a whole day.";
                return Err(ApiError::invalid("from", message));
            }
        };
        Ok(Self {
            from: default,
            to,
            source,
            is_default: from.is_none(),
        })
    }

    /// The start, if sums from there on are kept.
    fn kept(&self, source: Rollup, kept: Kept) -> Result<i64, ApiError> {
        let (what, since) = match source {
            Rollup::Minutes => ("minute", kept.minutes_from),
            Rollup::Hours | Rollup::Days => ("hour", kept.hours_from),
        };
        let from = self.from.unwrap_or(since);
        if self.is_default {
            return Ok(from.max(since));
        }
        if from < since {
            let since = Millis(since.saturating_mul(MINUTE_MS)).to_rfc3339();
            return Err(ApiError::invalid(
                "from",
                format!(
                    "Usage by the {what} is there from {since} on: ask for no time before that, or for whole days, which \
                     are kept for ever."
                ),
            ));
        }
        Ok(from)
    }
}

/// A day, or an instant at a full minute. A day that `ends` a span belongs to it.
fn minute(param: &str, text: &str, ends: bool) -> Result<i64, ApiError> {
    if let Some(day) = parse_day(text) {
        return Ok((day + i64::from(ends)).saturating_mul(DAY_MINUTES));
    }
    let refused = || {
        ApiError::invalid(
            param,
            format!(
                "{param} must be a day such as 2026-11-23, or an instant at a full minute such as 2026-11-23T12:00:00Z."
            ),
        )
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| refused())?;
    let millis = at.as_millisecond();
    if millis % MINUTE_MS != 0 || at.subsec_nanosecond() != 0 {
        return Err(refused());
    }
    Ok(millis.div_euclid(MINUTE_MS))
}

/// The filters. What they name must be there, and be the caller's to see.
async fn only(
    service: &Service,
    caller: &Caller,
    asked: &AskUsage,
) -> Result<BTreeMap<Dimension, String>, ApiError> {
    let mut only = BTreeMap::new();
    let mut put = |dimension, value: &dyn Display| only.insert(dimension, value.to_string());
    let team = asked.team.as_deref();
    let team = team.map(|t| fields::team("team", t)).transpose()?;
    if let Some(team) = caller.narrow(team)? {
        if asked.team.is_some() {
            service.store.team(&team).await?;
        }
        put(Dimension::Team, &team);
    }
    if let Some(key) = &asked.key {
        let key = service.store.key(&fields::key_id(key)?).await?;
        caller.may_see_key(&key)?;
        put(Dimension::Key, &key.record.id);
    }
    if let Some(model) = &asked.model {
        if !model.is_empty() && ModelId::new(model).is_err() {
            let message = "model must be a model's name, or empty for requests without one.";
            return Err(ApiError::invalid("model", message));
        }
        put(Dimension::Model, model);
    }
    if let Some(endpoint) = &asked.endpoint {
        if !endpoint.is_empty() {
            endpoint
                .parse::<EndpointGroup>()
                .map_err(|why| ApiError::invalid("endpoint", format!("endpoint: {why}.")))?;
        }
        put(Dimension::Endpoint, endpoint);
    }
    if let Some(decision) = &asked.decision {
        if Label::clip(decision).as_str() != decision || decision.is_empty() {
            let message = "decision must be a word such as allowed or rate_limit_requests.";
            return Err(ApiError::invalid("decision", message));
        }
        put(Dimension::Decision, decision);
    }
    if let Some(owner) = &asked.owner {
        if !owner.is_empty() {
            fields::email("owner", owner)?;
        }
        put(Dimension::Owner, owner);
    }
    if let Some(tag) = &asked.tag {
        if !tag.is_empty() {
            marks::tag("tag", tag.clone())?;
        }
        put(Dimension::Tag, tag);
    }
    Ok(only)
}

#[cfg(test)]
mod tests;
