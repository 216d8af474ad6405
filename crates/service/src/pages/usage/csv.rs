//! What the chart shows, as a spreadsheet.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::address::Asked;
use super::words;
use crate::clock::Millis;
use crate::error::ApiError;
use crate::export::guarded;
use crate::money::format_usd;
use crate::ops::usage::chart::Chart;
use crate::ops::usage::kept::Charts;
use crate::ops::usage::overview::{View, overview, view};
use crate::ops::usage::totals::Measure;
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;

pub(super) async fn download(
    State(service): State<Arc<Service>>,
    Extension(charts): Extension<Charts>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let member = visitor.team(asked.team.as_deref())?;
    let now = Millis::now();
    let (caller, team) = (&visitor.caller, &member.team.id);
    let view = view(&service, caller, team, &asked.overview(), now).await?;
    let found = overview(&service, &charts, caller, team, view, now).await?;
    let Some(chart) = &found.chart else {
        return Err(ApiError::busy(
            "This team's usage is still being summed up. Try again in a moment.",
        )
        .into());
    };
    let table = table(chart, &found.view).map_err(|error| ApiError::internal(&error))?;
    let (from, to) = found.view.range.days();
    let name = format!("attachment; filename=\"usage-{team}-{from}-{to}.csv\"");
    let mut response = table.into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, kind);
    // An id of a team has only letters, digits and a few marks.
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

/// Each group in each span, then all of each span, and all of the time before.
pub(super) fn table(chart: &Chart, view: &View) -> Result<String, csv::Error> {
    let (measure, every) = (view.measure, view.range.every);
    let column = match measure {
        Measure::Cost => "cost_usd",
        other => other.name(),
    };
    let number = |value: i64| match measure {
        Measure::Cost => format_usd(value),
        _ => value.to_string(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["start", view.by.name(), "name", column])?;
    let mut write = |start: Millis, value: &str, name: &str, number: String| {
        let start = words::span(every, start);
        writer.write_record([start.as_str(), &guarded(value), &guarded(name), &number])
    };
    let groups = chart.groups(measure);
    for (at, start) in chart.starts.iter().enumerate() {
        for group in &groups {
            let value = group.value.as_deref().unwrap_or_default();
            let name = words::group(view.by, group);
            let span = group.spans.get(at).copied().unwrap_or_default();
            write(*start, value, &name, number(span.get(measure)))?;
        }
        let all = chart.all.get(at).copied().unwrap_or_default();
        write(*start, "", "All", number(all.get(measure)))?;
    }
    for (start, all) in view.range.before_starts().iter().zip(&chart.before) {
        write(*start, "", "All, before", number(all.get(measure)))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
