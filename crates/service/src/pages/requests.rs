//! What is recorded of one request, found by its `x-request-id`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use gmtech_core::usage::TokenKind;
use maud::{Markup, html};

use super::assets;
use super::components::{count, money, time};
use super::error::PageError;
use super::frame::{Frame, Section};
use super::usage::lookup::{ROOT, lookup};
use super::usage::words;
use super::visitor::Visitor;
use crate::ops::requests;
use crate::service::Service;
use crate::store::RequestRecord;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(ROOT, get(show))
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let of = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| name == wanted);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    let member = visitor.team(of("team"))?;
    let team = &member.team.id;
    let (found, mistake) = match of("id") {
        None => (Vec::new(), None),
        Some(id) => match requests::show_of_team(&service, &visitor.caller, team, id).await {
            Ok(records) => (records, None),
            Err(error) if error.status() == StatusCode::NOT_FOUND => (Vec::new(), Some(error)),
            Err(error) => return Err(error.into()),
        },
    };
    let body = html! {
        link rel="stylesheet" href=(assets::address("usage.css"));
        (lookup(Some(team.as_str()), of("id"), mistake.as_ref()))
        @for (at, record) in found.iter().enumerate() {
            section.card aria-label={ "Record " (at + 1) " of " (found.len()) } {
                h2 { (words::decision(&record.decision)) " " code { (record.decision) } }
                (fields(record))
            }
        }
    };
    let frame = Frame {
        title: "Find a request",
        section: Section::Usage,
        visitor: &visitor,
        team: Some(member),
    };
    let mut page = frame.page(body);
    if mistake.is_some() {
        *page.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(page)
}

/// Everything that is recorded, with plain labels.
fn fields(record: &RequestRecord) -> Markup {
    let text = |text: &str| html! { (text) };
    let or_none = |value: &str| match value {
        "" => "Not told".to_owned(),
        value => value.to_owned(),
    };
    let status = match record.status {
        0 => "None: the client left before the answer".to_owned(),
        status => status.to_string(),
    };
    let key = html! {
        @if let Some(name) = &record.key_name { (name) " " }
        @if let Some(redacted) = &record.redacted_key { code { (redacted) } " " }
        a href={ "/users/api-keys/" (record.key) "/" } { (record.key) }
    };
    let source = match record.usage_source.as_str() {
        "exact" => "As the provider counted them",
        "lower_bound" => "At least these: the answer was cut off",
        "estimated" => "Estimated: the provider told none",
        other => other,
    };
    let mut rows: Vec<(&str, Markup)> = vec![
        ("Request id", html! { code { (record.request_id) } }),
        ("Started", time(record.started_at)),
        ("Took", text(&format!("{} ms", count(record.duration_ms)))),
        ("Status", text(&status)),
        ("Key", key),
        ("Team", text(&record.team)),
        ("Tier", text(&record.tier)),
        ("Model", text(record.model.as_deref().unwrap_or("None"))),
        ("Path", html! { code { (record.path) } }),
        (
            "Endpoint",
            text(&or_none(&record.endpoint.replace('_', " "))),
        ),
    ];
    for kind in TokenKind::ALL {
        let tokens = record.tokens.get(kind);
        if tokens != 0 || matches!(kind, TokenKind::Input | TokenKind::Output) {
            rows.push((label(kind), text(&count(tokens))));
        }
    }
    rows.extend([
        ("All tokens", text(&count(record.tokens.total()))),
        ("Tokens are", text(source)),
        ("Cost", text(&money(record.cost_nano_usd))),
        ("Price from", text(&record.priced_by)),
        ("Reported", time(record.received_at)),
        ("Record id", html! { code { (record.event_id) } }),
    ]);
    html! {
        dl.record {
            @for (name, value) in rows {
                dt { (name) }
                dd { (value) }
            }
        }
    }
}

fn label(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Input => "Tokens of the prompt",
        TokenKind::CachedInput => "Of these, read from a cache",
        TokenKind::CacheWrite => "Of these, written into a cache",
        TokenKind::AudioInput => "Of these, audio",
        TokenKind::Output => "Tokens of the answer",
        TokenKind::Reasoning => "Of these, reasoning",
        TokenKind::AudioOutput => "Of the answer, audio",
    }
}
