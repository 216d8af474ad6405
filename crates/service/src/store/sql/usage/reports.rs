//! What was used, asked for in groups, and single requests.

use gmtech_core::decision::Outcome;
use gmtech_core::sync::events::{Label, NamedDecision};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};

use super::rollups::{HOURS_BEYOND, Table};
use crate::clock::{DAY_MINUTES, DAY_MS, HOUR_MINUTES, MINUTE_MS, Millis, day_name};
use crate::store::sql::connect::Dialect;
use crate::store::sql::sums::{Sums, sum_of};
use crate::store::sql::{Store, rows};
use crate::store::{Dimension, Every, Kept, Page, Result, UsageCursor, UsageQuery, UsageRow};

/// A value for the database.
pub(super) enum Value {
    Number(i64),
    Text(String),
}

/// A query with its values, in the order of their numbers.
#[derive(Default)]
pub(super) struct Statement {
    values: Vec<Value>,
}

impl Statement {
    /// The place of a value.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    pub(super) fn text(&mut self, value: &str) -> String {
        self.bind(Value::Text(value.to_owned()))
    }

    /// The places of texts, as a list for `IN`.
    pub(super) fn texts<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> String {
        let places: Vec<String> = values.into_iter().map(|value| self.text(value)).collect();
        places.join(", ")
    }

    /// The query with its values.
    pub(super) fn query<'q>(self, sql: &'q str) -> Query<'q, Any, AnyArguments<'q>> {
        self.values
            .into_iter()
            .fold(sqlx::query(sql), |query, value| match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            })
    }
}

impl Dimension {
    /// What a row of sums has of it.
    pub(super) fn expression(self) -> &'static str {
        match self {
            Self::Key => "u.key_id",
            Self::Team => "u.team_id",
            Self::Model => "u.model",
            Self::Endpoint => "u.endpoint",
            Self::Decision => "u.decision",
            Self::Owner => "COALESCE(k.owner, '')",
            Self::Tag => "COALESCE(t.tag, '')",
        }
    }
}

/// The start of a row's span, in its own unit; a month starts with a day.
pub(super) fn time(query: &UsageQuery, dialect: Dialect) -> Option<String> {
    let column = Table::of(query).time;
    let per = |minutes: i64| match minutes / query.source.minutes() {
        1 => format!("u.{column}"),
        divisor => format!("(u.{column} / {divisor})"),
    };
    Some(match query.every? {
        Every::Minute => per(1),
        Every::Hour => per(HOUR_MINUTES),
        Every::Day => per(DAY_MINUTES),
        Every::Month => {
            let day = per(DAY_MINUTES);
            match dialect {
                Dialect::Sqlite => format!(
                    "CAST(strftime('%s', {day} * 86400, 'unixepoch', 'start of month') AS INTEGER) / 86400"
                ),
                Dialect::Postgres => format!(
                    "CAST(EXTRACT(EPOCH FROM date_trunc('month', to_timestamp({day} * 86400) AT TIME ZONE 'UTC')) AS BIGINT)
                     / 86400"
                ),
            }
        }
    })
}

impl Every {
    pub(super) fn start(self, time: i64) -> Millis {
        Millis(time.saturating_mul(match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MINUTES * MINUTE_MS,
            Self::Day | Self::Month => DAY_MS,
        }))
    }

    fn label(self, time: i64) -> String {
        let day = || day_name(self.start(time).day());
        match self {
            Self::Minute | Self::Hour => self.start(time).to_rfc3339(),
            Self::Day => day(),
            Self::Month => day().chars().take("2026-11".len()).collect(),
        }
    }
}

impl Store {
    /// Usage in groups: by time first, then by what is told apart, in that order.
    pub async fn usage(&self, query: &UsageQuery) -> Result<Page<UsageRow>> {
        let mut statement = Statement::default();
        let time = time(query, self.dialect);
        let groups: Vec<&str> = time
            .as_deref()
            .into_iter()
            .chain(query.by.iter().map(|d| d.expression()))
            .collect();
        let sql = select(query, &groups, &mut statement);
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let found = statement.query(&sql).fetch_all(&self.readers).await?;
        let mut items: Vec<(UsageCursor, UsageRow)> = Vec::new();
        let mut more = false;
        for row in &found {
            let place = place(query, row)?;
            if items.last().is_none_or(|(last, _)| *last != place) {
                if items.len() == limit {
                    more = true;
                    break;
                }
                let group = named(query, &place);
                items.push((place, group));
            }
            if let Some((_, last)) = items.last_mut() {
                add(last, row)?;
            }
        }
        let next = items
            .last()
            .filter(|_| more)
            .map(|(place, _)| place.encode(&query.by, query.every));
        let items = items.into_iter().map(|(_, row)| row).collect();
        Ok(Page { items, next })
    }
}

fn select(query: &UsageQuery, groups: &[&str], statement: &mut Statement) -> String {
    let named: Vec<String> = (0..)
        .zip(groups)
        .map(|(i, g)| format!("{g} AS g{i}, "))
        .collect();
    let sums: Vec<String> = Sums::columns()
        .map(|c| format!("{} AS {c}", sum_of(&format!("u.{c}"))))
        .collect();
    let mut sql = format!(
        "SELECT {}u.decision AS decision, {}, MAX(u.last_used_at) AS last_used_at {}",
        named.concat(),
        sums.join(", "),
        from(query, groups, statement)
    );
    let order: Vec<&str> = groups.iter().copied().chain(["u.decision"]).collect();
    sql.push_str(&format!(" GROUP BY {}", order.join(", ")));
    // A group is a row for each decision: a page is so many groups, whole, and the first row of the one after it.
    let names: Vec<String> = (0..groups.len()).map(|i| format!("g{i}")).collect();
    if names.is_empty() {
        return sql;
    }
    let names = names.join(", ");
    let most = statement.bind(Value::Number(i64::from(query.limit) + 1));
    format!(
        "WITH sums AS ({sql}), placed AS (SELECT sums.*, DENSE_RANK() OVER (ORDER BY {names}) AS place FROM sums)
         SELECT * FROM placed WHERE place <= {most} ORDER BY {names}, decision"
    )
}

/// The rows of sums that a query is about, as `u`.
pub(super) fn from(query: &UsageQuery, groups: &[&str], statement: &mut Statement) -> String {
    let Table {
        name: table,
        time: column,
        ..
    } = Table::of(query);
    let unit = query.source.minutes();
    let mut sql = format!("FROM {table} u");
    if query.uses(Dimension::Owner) {
        sql.push_str(" LEFT JOIN keys k ON k.id = u.key_id");
    }
    if query.uses(Dimension::Tag) {
        sql.push_str(" LEFT JOIN key_tags t ON t.key_id = u.key_id");
    }
    let mut within = Vec::new();
    if let Some(from) = query.from {
        let from = statement.bind(Value::Number(from.div_euclid(unit)));
        within.push(format!("u.{column} >= {from}"));
    }
    if let Some(to) = query.to {
        let to = statement.bind(Value::Number(to.div_euclid(unit)));
        within.push(format!("u.{column} < {to}"));
    }
    for (dimension, value) in &query.only {
        let value = statement.text(value);
        within.push(format!("{} = {value}", dimension.expression()));
    }
    let lists = [(&query.among, "IN"), (&query.except, "NOT IN")];
    for (list, is) in lists {
        for (dimension, values) in list.iter().filter(|(_, values)| !values.is_empty()) {
            let values = statement.texts(values.iter().map(String::as_str));
            within.push(format!("{} {is} ({values})", dimension.expression()));
        }
    }
    if let Some(after) = &query.after {
        let mut places: Vec<String> = Vec::new();
        places.extend(after.time.map(|t| statement.bind(Value::Number(t))));
        places.extend(after.groups.iter().map(|g| statement.text(g)));
        if !places.is_empty() {
            within.push(format!("({}) > ({})", groups.join(", "), places.join(", ")));
        }
    }
    if !within.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&within.join(" AND "));
    }
    sql
}

/// Which group a row belongs to.
fn place(query: &UsageQuery, row: &AnyRow) -> Result<UsageCursor> {
    let mut at = 0;
    let mut next = || {
        at += 1;
        at - 1
    };
    let time = query.every.map(|_| row.try_get(next())).transpose()?;
    let groups = query.by.iter().map(|_| row.try_get(next()));
    Ok(UsageCursor {
        time,
        groups: groups.collect::<Result<_, sqlx::Error>>()?,
    })
}

/// The group, with nothing in it yet.
fn named(query: &UsageQuery, place: &UsageCursor) -> UsageRow {
    let time = query.every.zip(place.time);
    let names = query.by.iter().zip(&place.groups);
    let group = if place.groups.is_empty() {
        time.map(|(every, time)| every.label(time))
            .unwrap_or_default()
    } else {
        place.groups.join(", ")
    };
    UsageRow {
        group,
        start: time.map(|(every, time)| every.start(time)),
        groups: names.map(|(by, name)| (*by, name.clone())).collect(),
        ..UsageRow::default()
    }
}

fn add(group: &mut UsageRow, row: &AnyRow) -> Result<()> {
    let decision: String = row.try_get("decision")?;
    let requests: i64 = row.try_get("requests")?;
    group.requests = group.requests.saturating_add(requests);
    if refuses(&decision) {
        let decision = NamedDecision::from(Label::clip(&decision));
        let sum = group
            .refusals
            .entry(decision.as_str().to_owned())
            .or_default();
        *sum = sum.saturating_add(requests);
    }
    group.tokens = group.tokens.plus(&rows::token_counts(row)?);
    for (sum, column) in [
        (&mut group.not_exact, "not_exact"),
        (&mut group.cost_nano_usd, "cost"),
    ] {
        *sum = sum.saturating_add(row.try_get(column)?);
    }
    let last = Millis(row.try_get("last_used_at")?);
    group.last_used_at = group.last_used_at.max(Some(last));
    Ok(())
}

/// Whether a decision refuses a request.
pub(super) fn refuses(decision: &str) -> bool {
    NamedDecision::from(Label::clip(decision)).outcome() == Outcome::Refuses
}

impl Store {
    /// From when on sums of minutes and of hours are complete.
    pub async fn usage_kept(&self) -> Result<Kept> {
        let row = sqlx::query("SELECT closed_before_day, minutes_since FROM meta")
            .fetch_one(&self.readers)
            .await?;
        let (closed, since): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let from = |day: i64| day.max(0).saturating_mul(DAY_MINUTES).max(since);
        let hours = from(closed.saturating_sub(HOURS_BEYOND));
        Ok(Kept {
            minutes_from: from(closed),
            // An hour of which the first minutes are missing is not complete.
            hours_from: hours.saturating_add(HOUR_MINUTES - 1) / HOUR_MINUTES * HOUR_MINUTES,
        })
    }
}
