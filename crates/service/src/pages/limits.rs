//! Limits: each key's limits as the proxies have them, live.
//!
//! The page shows the limits and the refusals of the last hour. A script then follows `/users/limits/events`, which tells what
//! proxies report while the page is open. Without a script the page is a picture of the moment.

mod events;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gmtech_core::decision::Decision;
use gmtech_core::limiter::Dimension;
use maud::{Markup, html};
use serde::Deserialize;

use super::components::{
    Column, Kind, Tone, badge, count, empty_state, link_button, pagination, table,
};
use super::error::PageError;
use super::frame::{Frame, Section};
use super::visitor::{Membership, Visitor};
use super::{HOME, assets};
use crate::clock::Millis;
use crate::extract::Query;
use crate::ops::limits::{self, KeyLimits, Shown};
use crate::service::Service;
use crate::store::PageRequest;

/// The page's address.
const LIMITS: &str = "/users/limits/";

/// How many keys a page has.
const ON_A_PAGE: u32 = 50;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(LIMITS, get(show))
        .route("/users/limits/events", get(events::follow))
}

/// Which keys.
#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    team: Option<String>,
    after: Option<String>,
}

impl Asked {
    fn page(&self) -> PageRequest {
        PageRequest {
            after: self.after.clone().filter(|after| !after.is_empty()),
            limit: ON_A_PAGE,
        }
    }

    /// An address of this page or of its events, for the same team.
    fn address(path: &str, of: &Membership, after: Option<&str>) -> String {
        let mut pairs = vec![("team", of.team.id.as_str())];
        pairs.extend(after.map(|after| ("after", after)));
        let query = serde_html_form::to_string(pairs).unwrap_or_default();
        format!("{path}?{query}")
    }
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let of = visitor.team(asked.team.as_deref())?;
    let team = of.team.id.as_str();
    let shown = limits::list(&service, &visitor.caller, team, &asked.page()).await?;
    let ids: Vec<_> = shown.keys.iter().map(|k| k.key.record.id.clone()).collect();
    let refused = limits::refused(&service, &ids, Millis::now()).await?;
    let frame = Frame {
        title: "Limits",
        section: Section::Limits,
        visitor: &visitor,
        team: Some(of),
    };
    Ok(frame.page(body(of, &asked, &shown, &refused)))
}

type Refused = BTreeMap<String, BTreeMap<String, i64>>;

fn body(of: &Membership, asked: &Asked, shown: &Shown, refused: &Refused) -> Markup {
    if shown.keys.is_empty() && asked.after.is_none() {
        let keys = Asked::address(HOME, of, None);
        return empty_state(
            "No active keys",
            "Limits belong to keys. Make a key, and its limits are shown here while it is used.",
            link_button(Kind::Primary, &keys, "Go to API Keys"),
        );
    }
    let columns = [
        Column::new("Key"),
        Column::new("Tier"),
        Column::new("Requests a minute"),
        Column::new("Tokens a minute"),
        Column::new("In flight"),
        Column::new("Refused in the last hour"),
    ];
    let rows: Vec<Markup> = shown.keys.iter().map(|key| row(key, refused)).collect();
    let events = Asked::address("/users/limits/events", of, asked.after.as_deref());
    let next = shown
        .next
        .as_deref()
        .map(|next| Asked::address(LIMITS, of, Some(next)));
    let first = asked
        .after
        .as_ref()
        .map(|_| Asked::address(LIMITS, of, None));
    html! {
        p.muted {
            "Used is what has not been restored yet; reserved is the part of it that requests under way may give back. Each Envoy \
             counts for itself: where several report a key, their numbers are added up. "
            span data-live-state role="status" { "Live numbers need JavaScript." }
        }
        div data-limits=(events) {
            (table("Limits of active keys", &columns, &rows))
        }
        (pagination("Active keys, the latest used first", first.as_deref(), next.as_deref()))
        script src=(assets::address("live-limits.js")) defer {}
    }
}

fn row(shown: &KeyLimits, refused: &Refused) -> Markup {
    let record = &shown.key.record;
    let limit = |dimension| {
        let found = shown.limits.iter().find(|(what, _)| *what == dimension);
        found.map(|(_, limit)| *limit)
    };
    html! {
        tr data-key=(record.id) data-account=(record.account()) {
            th scope="row" {
                span.key-name { (shown.key.name) }
                br;
                code { (shown.key.redacted) }
            }
            td data-label="Tier" { (record.tier) }
            @for (dimension, label) in DIMENSIONS {
                td data-label=(label) { (cell(dimension, label, limit(dimension), &shown.key.name)) }
            }
            td data-label="Refused" data-refused { (reasons(refused.get(record.id.as_str()))) }
        }
    }
}

/// The limits in the order of their columns, with their labels.
const DIMENSIONS: [(Dimension, &str); 3] = [
    (Dimension::Requests, "Requests a minute"),
    (Dimension::Tokens, "Tokens a minute"),
    (Dimension::InFlight, "In flight"),
];

/// One limit: a bar and its words. A script writes what proxies report into them.
fn cell(dimension: Dimension, label: &str, limit: Option<u32>, key: &str) -> Markup {
    let Some(limit) = limit else {
        return html! { span.muted { "No limit" } };
    };
    html! {
        div.level data-level=(dimension.name()) data-limit=(limit) {
            meter min="0" max=(limit) value="0" aria-label={ (label) " used by " (key) } { "0" }
            span.level-text { "no traffic · limit " (count(limit.into())) }
        }
    }
}

/// Refusals with their reasons.
fn reasons(refused: Option<&BTreeMap<String, i64>>) -> Markup {
    match refused {
        None => html! { span.muted { "none" } },
        Some(reasons) => html! {
            @for (reason, n) in reasons {
                span title=(meaning(reason)) { (badge(Tone::Warn, &format!("{} {}", count(*n), reason.replace('_', " ")))) } " "
            }
        },
    }
}

/// What a decision means; empty for one that is not known here.
fn meaning(decision: &str) -> &'static str {
    Decision::named(decision).map_or("", Decision::meaning)
}
