//! What a team uses: over time, in its largest groups, compared with the time before; its refusals and its credit.
//!
//! All that is shown is in the address, so that it can be kept and sent. The page works without scripts: [`table`] has every number
//! of a chart.

mod address;
mod chart;
mod credit;
mod csv;
mod live;
pub(super) mod lookup;
mod refusals;
mod table;
mod tiles;
pub(super) mod words;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use maud::{Markup, html};

use self::address::Asked;
use super::assets;
use super::components::{Field, Kind, button, link_button, select};
use super::error::PageError;
use super::frame::{Frame, Section};
use super::visitor::{Membership, Visitor};
use crate::clock::{DAY_MINUTES, Millis};
use crate::error::ApiError;
use crate::ops::usage::course::{Course, course};
use crate::ops::usage::kept::Charts;
use crate::ops::usage::overview::{GROUPINGS, Overview, View, overview, view};
use crate::ops::usage::range::RangeName;
use crate::service::Service;
use crate::store::Dimension;

/// Where the page is.
pub(super) const ROOT: &str = "/users/usage/";

/// For how many seconds a page waits whose chart is still being made, before it looks again.
const AGAIN: HeaderValue = HeaderValue::from_static("2");

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(ROOT, get(show))
        .route("/users/usage.csv", get(csv::download))
        .route("/users/usage/live", get(live::usage))
        .route("/users/api-keys/live", get(live::keys))
        .layer(Extension(Charts::default()))
}

async fn show(
    State(service): State<Arc<Service>>,
    Extension(charts): Extension<Charts>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let member = visitor.team(asked.team.as_deref())?;
    let asked = asked.of_team(&member.team.id);
    let now = Millis::now();
    let (caller, team) = (&visitor.caller, &member.team.id);
    let (view, mistake) = match view(&service, caller, team, &asked.overview(), now).await {
        Ok(view) => (view, None),
        // What was typed stays, and what it would have shown is as if nothing had been asked for.
        Err(error) if error.param().is_some_and(|p| address::FIELDS.contains(&p)) => {
            let plain = Asked::default().overview();
            (
                view(&service, caller, team, &plain, now).await?,
                Some(error),
            )
        }
        Err(error) => return Err(error.into()),
    };
    let days = (
        view.range.from.div_euclid(DAY_MINUTES).min(now.day() - 6),
        view.range
            .to
            .div_euclid(DAY_MINUTES)
            .max(now.day().min(view.range.to.div_euclid(DAY_MINUTES) + 1)),
    );
    let found = overview(&service, &charts, caller, team, view, now).await?;
    let money = course(&service, caller, team, days, now).await?;
    let waits = found.chart.is_none();
    let body = body(&asked, &found, &money, mistake.as_ref());
    let mut page = frame(&visitor, member).page(body);
    if mistake.is_some() {
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    } else if waits {
        page.headers_mut().insert(header::REFRESH, AGAIN);
    }
    Ok(page)
}

fn frame<'a>(visitor: &'a Visitor, member: &'a Membership) -> Frame<'a> {
    Frame {
        title: "Usage",
        section: Section::Usage,
        visitor,
        team: Some(member),
    }
}

fn body(asked: &Asked, found: &Overview, money: &Course, mistake: Option<&ApiError>) -> Markup {
    html! {
        (head())
        // What an address with a mistake would show has no numbers to follow.
        div.usage data-live-from=[mistake.is_none().then(|| asked.address("/users/usage/live"))] {
            @if let Some(key) = &found.view.key {
                p {
                    "Only of the key " strong { (key.name) } " (" code { (key.redacted) } "). "
                    a href=(asked.without_key().address(ROOT)) { "Show all keys" }
                }
            }
            (tiles::tiles(asked, found))
            (filters(asked, &found.view, mistake))
            (chart::section(asked, found))
            (refusals::section(asked, found))
            (credit::section(asked, money))
        }
        (lookup::lookup(asked.team.as_deref(), None, None))
    }
}

/// The style and the scripts of charts.
fn head() -> Markup {
    html! {
        link rel="stylesheet" href=(assets::address("uplot.css"));
        link rel="stylesheet" href=(assets::address("usage.css"));
        script src=(assets::address("uplot.js")) defer {}
        script src=(assets::address("charts.js")) defer {}
        script src=(assets::address("live-numbers.js")) defer {}
    }
}

/// What is told apart, and over which time.
fn filters(asked: &Asked, view: &View, mistake: Option<&ApiError>) -> Markup {
    let (from, to) = view.range.days();
    let typed = |text: &Option<String>, shown: String| text.clone().unwrap_or(shown);
    let (from, to) = (typed(&asked.from, from), typed(&asked.to, to));
    let groupings = GROUPINGS.map(|by| (by.name(), words::grouping(by)));
    let ranges = RangeName::ALL.map(|range| (range.name(), range.meaning().trim_end_matches('.')));
    html! {
        form.filters.usage-filters method="get" action=(ROOT) {
            (asked.hidden(&["team", "measure", "key"]))
            (select("by", "Grouped by", &groupings, view.by.name(), "", mistake))
            (select("range", "Time", &ranges, view.range.name.name(), "", mistake))
            (Field::new("from", "From (UTC)").kind("date").value(&from).plain().show(mistake))
            (Field::new("to", "To (UTC)").kind("date").value(&to).plain().show(mistake))
            div.buttons {
                (button(Kind::Plain, "Show"))
                (link_button(Kind::Quiet, &asked.address("/users/usage.csv"), "Download CSV"))
            }
        }
        @if let Some(mistake) = mistake.filter(|m| m.param() == Some("measure")) {
            div.notice.notice-bad role="alert" { (mistake.message()) }
        }
    }
}

/// What a group is called, with where it leads.
fn group_name(asked: &Asked, by: Dimension, group: &crate::ops::usage::chart::Group) -> Markup {
    let name = words::group(by, group);
    match (&group.value, by) {
        (Some(id), Dimension::Key) if !id.is_empty() => html! {
            a href=(asked.of_key(id).address(ROOT)) { (name) }
            span.sub { (id) }
        },
        (Some(word), Dimension::Decision) => html! { (name) span.sub { code { (word) } } },
        _ => html! { (name) },
    }
}
