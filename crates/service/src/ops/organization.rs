//! Usage and costs of the organization, in spans of time as OpenAI's tools ask for them.

use std::collections::BTreeMap;

use gmtech_core::decision::Decision;
use gmtech_core::model::ModelId;
use gmtech_core::request::EndpointGroup;

use crate::caller::Caller;
use crate::clock::{DAY_MINUTES, HOUR_MINUTES, MINUTE_MS, Millis};
use crate::error::ApiError;
use crate::ops::fields;
use crate::service::Service;
use crate::store::{Dimension, Every, Kept, Rollup, UsageQuery, UsageRow};

/// The latest time that can be asked for, in seconds since the Unix epoch: the end of year 9999.
pub const MAX_TIME: i64 = 253_402_300_799;

/// The most values of all filters together.
pub const MAX_VALUES: usize = 100;

/// The most results on a page. It ends with a whole span before them.
const MAX_RESULTS: u32 = 50_000;

/// Which part of the usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What models wrote: chats, responses, messages and the like.
    Completions,
    /// All that cost something.
    Costs,
}

/// Which usage, as it was asked for.
#[derive(Clone, Debug)]
pub struct AskBuckets {
    /// Which part of it.
    pub part: Part,
    /// From the span of this second on, since the Unix epoch.
    pub start_time: i64,
    /// Up to and without this second; up to now without it.
    pub end_time: Option<i64>,
    /// How long each span is: a minute, an hour or a day.
    pub width: Every,
    /// What is told apart.
    pub by: Vec<Dimension>,
    /// Only what has one of these values.
    pub among: BTreeMap<Dimension, Vec<String>>,
    /// Only what was done in batches, or only what was not.
    pub batch: Option<bool>,
    /// At most so many spans.
    pub limit: u32,
    /// What the page before gave as `next`.
    pub page: Option<String>,
}

/// A span of time with its usage.
#[derive(Debug)]
pub struct Bucket {
    /// Where it starts, in seconds since the Unix epoch.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// Its usage, group by group.
    pub rows: Vec<UsageRow>,
}

/// Some spans, and where the next page starts.
#[derive(Debug)]
pub struct Buckets {
    /// The spans, all that there are in the time asked for; those without usage too.
    pub buckets: Vec<Bucket>,
    /// What gives the next page; `None` on the last.
    pub next: Option<String>,
}

/// The usage that was asked for, of what this caller may see; `now` is the present.
///
/// # Errors
/// Where a part of the question is not what it must be, or asks for more detail than is kept; where the store does not
/// answer.
pub async fn buckets(
    service: &Service,
    caller: &Caller,
    asked: AskBuckets,
    now: Millis,
) -> Result<Buckets, ApiError> {
    let (unit, source) = match asked.width {
        Every::Minute => (1, Rollup::Minutes),
        Every::Hour => (HOUR_MINUTES, Rollup::Hours),
        Every::Day | Every::Month => (DAY_MINUTES, Rollup::Days),
    };
    let among = among(caller, &asked)?;
    let seconds = unit.saturating_mul(60);
    let first = asked.start_time.div_euclid(seconds);
    let end_time = asked.end_time.unwrap_or(now.0.div_euclid(1_000) + 1);
    let end = end_time.saturating_add(seconds - 1).div_euclid(seconds);
    let start = match &asked.page {
        None => first,
        Some(page) => place(page, asked.width)
            .filter(|start| (first..end).contains(start))
            .ok_or_else(|| {
                let message =
                    "There is no such page: page must be what the page before gave as next_page, with the same parameters.";
                ApiError::missing(message).of("page")
            })?,
    };
    if end <= start {
        return Ok(Buckets {
            buckets: Vec::new(),
            next: None,
        });
    }
    if source != Rollup::Days {
        kept(source, start * unit, service.store.usage_kept().await?)?;
    }
    let stop = end.min(start.saturating_add(asked.limit.into()));
    let query = UsageQuery {
        by: asked.by,
        every: Some(asked.width),
        source,
        from: Some(start.saturating_mul(unit)),
        to: Some(stop.saturating_mul(unit)),
        among,
        limit: MAX_RESULTS,
        ..UsageQuery::default()
    };
    let found = service.store.usage(&query).await?;
    let of = |row: &UsageRow| row.start.map(|s| s.0.div_euclid(unit * MINUTE_MS));
    // What does not fit on the page is left to the next one, span by span.
    let last = found.items.last().and_then(of);
    let stop = match last.filter(|_| found.next.is_some()) {
        Some(last) if last == start => {
            return Err(ApiError::invalid(
                "group_by",
                format!(
                    "One span of time has more than {MAX_RESULTS} results: group by less, or ask for some projects, users, keys \
                     or models only."
                ),
            ));
        }
        Some(last) => last,
        None => stop,
    };
    let mut buckets: Vec<Bucket> = (start..stop)
        .map(|at| Bucket {
            start: at.saturating_mul(seconds),
            end: at.saturating_add(1).saturating_mul(seconds),
            rows: Vec::new(),
        })
        .collect();
    for row in found.items {
        let at = of(&row).and_then(|at| usize::try_from(at - start).ok());
        if let Some(bucket) = at.and_then(|at| buckets.get_mut(at)) {
            bucket.rows.push(row);
        }
    }
    let next = (stop < end).then(|| format!("page_{}_{stop}", asked.width.name()));
    Ok(Buckets { buckets, next })
}

/// Where a page starts, in spans of this width.
fn place(page: &str, width: Every) -> Option<i64> {
    let start = page.strip_prefix("page_")?.strip_prefix(width.name())?;
    start.strip_prefix('_')?.parse().ok()
}

fn kept(source: Rollup, from: i64, kept: Kept) -> Result<(), ApiError> {
    let (since, what) = match source {
        Rollup::Minutes => (kept.minutes_from, "minutes"),
        Rollup::Hours | Rollup::Days => (kept.hours_from, "hours"),
    };
    if from >= since {
        return Ok(());
    }
    let message = format!(
        "Usage by {what} is there from {} on: ask for no time before that, or for days (bucket_width=1d), which are kept for ever.",
        since.saturating_mul(60)
    );
    Err(ApiError::invalid("start_time", message))
}

/// The filters, narrowed to what the caller may see.
fn among(
    caller: &Caller,
    asked: &AskBuckets,
) -> Result<BTreeMap<Dimension, Vec<String>>, ApiError> {
    let mut among = asked.among.clone();
    if among.values().map(Vec::len).sum::<usize>() > MAX_VALUES {
        return Err(ApiError::query(format!(
            "At most {MAX_VALUES} values of filters at once."
        )));
    }
    for (dimension, values) in &among {
        for value in values {
            match dimension {
                Dimension::Team => caller.may_see(&fields::team("project_ids", value)?)?,
                Dimension::Key => fields::key_id(value)
                    .map(drop)
                    .map_err(|e| e.of("api_key_ids"))?,
                Dimension::Owner => drop(fields::email("user_ids", value)?),
                Dimension::Model => {
                    drop(ModelId::new(value).map_err(|_| {
                        ApiError::invalid("models", "models must be names of models.")
                    })?)
                }
                _ => {}
            }
        }
    }
    if let Some(only) = caller.only_team()? {
        among.insert(Dimension::Team, vec![only.to_string()]);
    }
    let endpoints = match (asked.part, asked.batch) {
        (_, Some(true)) => Some(vec![EndpointGroup::Batches.name().to_owned()]),
        (Part::Completions, batch) => Some(completions(batch.is_none())),
        (Part::Costs, _) => None,
    };
    if let Some(endpoints) = endpoints {
        among.insert(Dimension::Endpoint, endpoints);
    }
    if asked.part == Part::Completions {
        among.insert(
            Dimension::Decision,
            vec![Decision::Allowed.name().to_owned()],
        );
    }
    Ok(among)
}

/// The groups of endpoints at which models write; the empty one is of what was summed before there were groups.
fn completions(with_batches: bool) -> Vec<String> {
    use EndpointGroup as G;
    let groups = [
        G::ChatCompletions,
        G::Completions,
        G::Responses,
        G::Messages,
        G::GenerateContent,
        G::StoredResponses,
        G::StoredCompletions,
        G::Background,
        G::Assistants,
        G::Engines,
    ];
    let batches = with_batches.then_some(G::Batches);
    let names = groups
        .into_iter()
        .chain(batches)
        .map(|g| g.name().to_owned());
    names.chain([String::new()]).collect()
}
