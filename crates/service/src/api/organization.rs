//! OpenAI's usage API of an organization, over HTTP: for tools that read OpenAI's own.
//!
//! A project is a team, a user the owner of a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gmtech_core::request::EndpointGroup;
use gmtech_core::usage::TokenKind;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::clock::Millis;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::money::DOLLAR;
use crate::ops::organization::{self, AskBuckets, Buckets, MAX_TIME, Part};
use crate::service::Service;
use crate::store::{Dimension, Every, TokenCounts, UsageRow};

/// What results are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum GroupBy {
    /// Each team.
    ProjectId,
    /// Each owner of keys.
    UserId,
    /// Each key.
    ApiKeyId,
    /// Each model.
    Model,
    /// What was done in batches, and what was not.
    Batch,
    /// The provider's tier of service; not known here, always null.
    ServiceTier,
    /// Each model, as what is billed. Only of costs.
    LineItem,
    /// Always `unlabeled`.
    ApiSource,
}

impl GroupBy {
    /// What the store tells apart for it.
    fn dimension(self) -> Option<Dimension> {
        match self {
            Self::ProjectId => Some(Dimension::Team),
            Self::UserId => Some(Dimension::Owner),
            Self::ApiKeyId => Some(Dimension::Key),
            Self::Model | Self::LineItem => Some(Dimension::Model),
            Self::Batch => Some(Dimension::Endpoint),
            Self::ServiceTier | Self::ApiSource => None,
        }
    }
}

/// What each list of values is of.
const FILTERS: [(&str, Dimension); 5] = [
    ("project_ids", Dimension::Team),
    ("user_ids", Dimension::Owner),
    ("api_key_ids", Dimension::Key),
    ("models", Dimension::Model),
    ("line_items", Dimension::Model),
];

/// Which completions.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described: lists are read by `Asked`")]
struct CompletionsParams {
    /// From the bucket of this second on, since the Unix epoch.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    start_time: i64,
    /// Up to and without this second; up to now without it.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    end_time: Option<i64>,
    /// `1m`, `1h` or `1d` (the default). Buckets begin with whole minutes, hours and days of UTC.
    #[param(pattern = "^1[mhd]$")]
    bucket_width: Option<String>,
    /// Only of these teams.
    project_ids: Option<Vec<String>>,
    /// Only of keys of these owners.
    user_ids: Option<Vec<String>>,
    /// Only of these keys.
    api_key_ids: Option<Vec<String>>,
    /// Only of these models.
    models: Option<Vec<String>>,
    /// Only what was done in batches (`true`), or only what was not.
    batch: Option<bool>,
    /// What results are told apart by: `project_id`, `user_id`, `api_key_id`, `model`, `batch`, `service_tier`, `api_source`.
    group_by: Option<Vec<String>>,
    /// At most this many buckets: 31 days (7 by default), 168 hours (24), 1440 minutes (60). More than that is as many.
    #[param(minimum = 1, maximum = 1_440)]
    limit: Option<u32>,
    /// What the page before gave as `next_page`.
    #[param(pattern = "^page_[!-~]{1,100}$")]
    page: Option<String>,
}

/// Which costs.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described: lists are read by `Asked`")]
struct CostsParams {
    /// From the day of this second on, since the Unix epoch.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    start_time: i64,
    /// Up to and without this second; up to now without it.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    end_time: Option<i64>,
    /// `1d`, a UTC day.
    #[param(pattern = "^1d$")]
    bucket_width: Option<String>,
    /// Only of these teams.
    project_ids: Option<Vec<String>>,
    /// Only of keys of these owners.
    user_ids: Option<Vec<String>>,
    /// Only of these keys.
    api_key_ids: Option<Vec<String>>,
    /// Only of these line items: names of models.
    line_items: Option<Vec<String>>,
    /// What results are told apart by: `project_id`, `user_id`, `api_key_id`, `line_item`, `api_source`.
    group_by: Option<Vec<String>>,
    /// At most this many days, 1 to 180; 7 by default.
    #[param(minimum = 1, maximum = 180)]
    limit: Option<u32>,
    /// What the page before gave as `next_page`.
    #[param(pattern = "^page_[!-~]{1,100}$")]
    page: Option<String>,
}

/// A page of buckets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct UsagePage<T> {
    /// Always `page`.
    object: &'static str,
    /// The buckets, those without usage too.
    data: Vec<UsageBucket<T>>,
    /// Whether there are more.
    has_more: bool,
    /// What gives the next page.
    next_page: Option<String>,
}

/// A span of time.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct UsageBucket<T> {
    /// Always `bucket`.
    object: &'static str,
    /// Where it starts, in seconds since the Unix epoch.
    start_time: i64,
    /// Where it ends.
    end_time: i64,
    /// Its usage, group by group.
    results: Vec<T>,
}

/// What a result is of; null where that was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
struct Of {
    /// The team.
    project_id: Option<String>,
    /// The owner of the keys; null too for keys without one.
    user_id: Option<String>,
    /// The key.
    api_key_id: Option<String>,
    /// `unlabeled`.
    api_source: Option<&'static str>,
}

/// Usage of completions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CompletionsResult {
    /// Always `organization.usage.completions.result`.
    object: &'static str,
    /// Tokens of prompts, cached ones and written ones too.
    input_tokens: i64,
    /// Of these, read from a cache.
    input_cached_tokens: i64,
    /// Of these, written into a cache.
    input_cache_write_tokens: i64,
    /// Of these, audio.
    input_audio_tokens: i64,
    /// Tokens of answers.
    output_tokens: i64,
    /// Of these, audio.
    output_audio_tokens: i64,
    /// Requests.
    num_model_requests: i64,
    #[serde(flatten)]
    of: Of,
    /// The model; null too for requests without one.
    model: Option<String>,
    /// Whether it was done in batches.
    batch: Option<bool>,
    /// Always null: the provider's tier of service is not known here.
    service_tier: Option<String>,
}

/// Costs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CostsResult {
    /// Always `organization.costs.result`.
    object: &'static str,
    /// How much.
    amount: Amount,
    /// What is billed: the model; null too for requests without one.
    line_item: Option<String>,
    #[serde(flatten)]
    of: Of,
    /// Always null.
    quantity: Option<f64>,
}

/// An amount of money.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Amount {
    /// In dollars.
    value: f64,
    /// Always `usd`.
    currency: &'static str,
}

#[utoipa::path(get, path = "/v1/organization/usage/completions", tag = "usage", operation_id = "organization_completions",
    params(CompletionsParams),
    responses((status = 200, body = UsagePage<CompletionsResult>), (status = "4XX", body = ErrorBody)))]
/// Usage of completions in OpenAI's shape, for tools that read OpenAI's usage API. A token of a team sees its own team.
pub(super) async fn completions(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<UsagePage<CompletionsResult>>, ApiError> {
    let asked = Asked::read(&pairs, Part::Completions)?;
    let by = asked.by.clone();
    let found = organization::buckets(&service, &caller, asked.into(), Millis::now()).await?;
    Ok(Json(page(found, |rows| completions_of(&by, rows))))
}

#[utoipa::path(get, path = "/v1/organization/costs", tag = "usage", operation_id = "organization_costs",
    params(CostsParams), responses((status = 200, body = UsagePage<CostsResult>), (status = "4XX", body = ErrorBody)))]
/// Costs by day in OpenAI's shape, for tools that read OpenAI's costs API. A token of a team sees its own team.
pub(super) async fn costs(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<UsagePage<CostsResult>>, ApiError> {
    let asked = Asked::read(&pairs, Part::Costs)?;
    let by = asked.by.clone();
    let found = organization::buckets(&service, &caller, asked.into(), Millis::now()).await?;
    let result = |row: UsageRow| CostsResult {
        object: "organization.costs.result",
        amount: Amount {
            value: row.cost_nano_usd as f64 / DOLLAR as f64,
            currency: "usd",
        },
        line_item: named(&row, Dimension::Model),
        of: of(&by, &row),
        quantity: None,
    };
    Ok(Json(page(found, |rows| {
        let costly = rows.into_iter().filter(|row| row.cost_nano_usd != 0);
        costly.map(result).collect()
    })))
}

fn page<T>(found: Buckets, results: impl Fn(Vec<UsageRow>) -> Vec<T>) -> UsagePage<T> {
    let buckets = found.buckets.into_iter().map(|bucket| UsageBucket {
        object: "bucket",
        start_time: bucket.start,
        end_time: bucket.end,
        results: results(bucket.rows),
    });
    UsagePage {
        object: "page",
        data: buckets.collect(),
        has_more: found.next.is_some(),
        next_page: found.next,
    }
}

/// What a row is of in this dimension; nothing where it was not told apart or has none.
fn named(row: &UsageRow, dimension: Dimension) -> Option<String> {
    let name = row.groups.get(&dimension)?;
    (!name.is_empty()).then(|| name.clone())
}

fn of(by: &[GroupBy], row: &UsageRow) -> Of {
    Of {
        project_id: named(row, Dimension::Team),
        user_id: named(row, Dimension::Owner),
        api_key_id: named(row, Dimension::Key),
        api_source: by.contains(&GroupBy::ApiSource).then_some("unlabeled"),
    }
}

/// Results of rows, of which several can be of one: batches are told apart by endpoints.
fn completions_of(by: &[GroupBy], rows: Vec<UsageRow>) -> Vec<CompletionsResult> {
    type Place = (Of, Option<String>, Option<bool>);
    let mut sums: BTreeMap<Place, (i64, TokenCounts)> = BTreeMap::new();
    for row in rows {
        let endpoint = row.groups.get(&Dimension::Endpoint);
        let batch = endpoint.map(|e| e == EndpointGroup::Batches.name());
        let place = (of(by, &row), named(&row, Dimension::Model), batch);
        let (requests, tokens) = sums.entry(place).or_default();
        *requests = requests.saturating_add(row.requests);
        *tokens = tokens.plus(&row.tokens);
    }
    let results = sums
        .into_iter()
        .map(|((of, model, batch), (requests, tokens))| {
            let count = |kind| tokens.get(kind);
            CompletionsResult {
                object: "organization.usage.completions.result",
                input_tokens: count(TokenKind::Input),
                input_cached_tokens: count(TokenKind::CachedInput),
                input_cache_write_tokens: count(TokenKind::CacheWrite),
                input_audio_tokens: count(TokenKind::AudioInput),
                output_tokens: count(TokenKind::Output),
                output_audio_tokens: count(TokenKind::AudioOutput),
                num_model_requests: requests,
                of,
                model,
                batch,
                service_tier: None,
            }
        });
    results.collect()
}

/// A question, as its query string says it.
#[derive(Debug)]
struct Asked {
    part: Part,
    start_time: i64,
    end_time: Option<i64>,
    width: Every,
    by: Vec<GroupBy>,
    among: BTreeMap<Dimension, Vec<String>>,
    batch: Option<bool>,
    limit: u32,
    page: Option<String>,
}

impl From<Asked> for AskBuckets {
    fn from(asked: Asked) -> Self {
        let mut by: Vec<Dimension> = asked.by.iter().filter_map(|g| g.dimension()).collect();
        by.sort_unstable();
        by.dedup();
        Self {
            part: asked.part,
            start_time: asked.start_time,
            end_time: asked.end_time,
            width: asked.width,
            by,
            among: asked.among,
            batch: asked.batch,
            limit: asked.limit,
            page: asked.page,
        }
    }
}

impl Asked {
    /// Lists are given as OpenAI's clients do (`models[]=a&models[]=b`), repeated without the brackets, or with commas.
    fn read(pairs: &[(String, String)], part: Part) -> Result<Self, ApiError> {
        let mut start_time = None;
        let (mut end_time, mut width, mut limit) = (None, Every::Day, None);
        let (mut batch, mut page) = (None, None);
        let (mut by, mut among) = (Vec::new(), BTreeMap::<_, Vec<String>>::new());
        for (name, value) in pairs {
            let name = name.strip_suffix("[]").unwrap_or(name);
            match name {
                "start_time" => start_time = Some(time(name, value)?),
                "end_time" => end_time = Some(time(name, value)?),
                "bucket_width" => width = bucket_width(value, part)?,
                "batch" => batch = Some(truth(value)?),
                "page" => page = Some(value.clone()),
                "limit" => limit = Some(value),
                _ => {
                    let filter = FILTERS.iter().find(|(of, _)| *of == name);
                    for value in value.split(',').filter(|v| !v.is_empty()) {
                        match filter {
                            Some((_, dimension)) => {
                                among.entry(*dimension).or_default().push(value.to_owned());
                            }
                            None => by.push(group_by(value, part)?),
                        }
                    }
                }
            }
        }
        let start_time = start_time.ok_or_else(|| {
            ApiError::invalid(
                "start_time",
                "start_time is needed: seconds since the Unix epoch.",
            )
        })?;
        Ok(Self {
            part,
            start_time,
            end_time,
            width,
            by,
            among,
            batch,
            limit: most(limit, width, part)?,
            page,
        })
    }
}

fn time(param: &str, text: &str) -> Result<i64, ApiError> {
    let seconds = text.parse().ok().filter(|s| (0..=MAX_TIME).contains(s));
    seconds.ok_or_else(|| {
        let message = format!("{param} must be seconds since the Unix epoch, at most {MAX_TIME}.");
        ApiError::invalid(param, message)
    })
}

fn bucket_width(text: &str, part: Part) -> Result<Every, ApiError> {
    match (text, part) {
        ("1d", _) => Ok(Every::Day),
        ("1h", Part::Completions) => Ok(Every::Hour),
        ("1m", Part::Completions) => Ok(Every::Minute),
        (_, Part::Completions) => Err(ApiError::invalid(
            "bucket_width",
            "bucket_width must be 1m, 1h or 1d.",
        )),
        (_, Part::Costs) => Err(ApiError::invalid(
            "bucket_width",
            "bucket_width must be 1d.",
        )),
    }
}

fn truth(text: &str) -> Result<bool, ApiError> {
    text.parse()
        .map_err(|_| ApiError::invalid("batch", "batch must be true or false."))
}

fn group_by(text: &str, part: Part) -> Result<GroupBy, ApiError> {
    let known = match part {
        Part::Completions => COMPLETIONS_GROUPS,
        Part::Costs => COSTS_GROUPS,
    };
    let named = Some(text).filter(|text| known.contains(text));
    let group = named.and_then(|name| serde_json::from_value(name.into()).ok());
    group.ok_or_else(|| {
        let names = known.join(", ");
        ApiError::invalid("group_by", format!("group_by must be any of {names}."))
    })
}

/// What completions can be grouped by.
pub(super) const COMPLETIONS_GROUPS: &[&str] = &[
    "project_id",
    "user_id",
    "api_key_id",
    "model",
    "batch",
    "service_tier",
    "api_source",
];

/// What costs can be grouped by.
pub(super) const COSTS_GROUPS: &[&str] = &[
    "project_id",
    "user_id",
    "line_item",
    "api_key_id",
    "api_source",
];

/// How many buckets a page has.
fn most(asked: Option<&String>, width: Every, part: Part) -> Result<u32, ApiError> {
    let (default, most) = match (part, width) {
        (Part::Costs, _) => (7, MOST_COSTS),
        (Part::Completions, Every::Minute) => (60, MOST_COMPLETIONS),
        (Part::Completions, Every::Hour) => (24, 168),
        (Part::Completions, Every::Day | Every::Month) => (7, 31),
    };
    let Some(text) = asked else {
        return Ok(default);
    };
    let largest = match part {
        Part::Completions => MOST_COMPLETIONS,
        Part::Costs => MOST_COSTS,
    };
    let limit = text.parse().ok().filter(|n| (1..=largest).contains(n));
    limit.map(|n: u32| n.min(most)).ok_or_else(|| {
        let message = format!("limit must be 1 to {largest}.");
        ApiError::invalid("limit", message)
    })
}

/// The most buckets of completions on a page, and of costs.
const MOST_COMPLETIONS: u32 = 1_440;
const MOST_COSTS: u32 = 180;
