//! Prices in force, and looking a model's up. They are changed in the service's configuration.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use gmtech_core::usage::{PerKind, TokenKind};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Admin, Part, given, query};
use crate::clock::day_name;
use crate::ops::prices;
use crate::pages::components::{
    Column, Field, Kind, Tone, badge, button, card, cards, count, definition_list, empty_state,
    money, stat, table,
};
use crate::pages::error::PageError;
use crate::price::{LIST, LIST_VERSION, Quote};
use crate::service::Service;
use crate::store::FallbackCharge;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(Part::Prices.path(), get(show))
}

/// What the address says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    /// The model to look up.
    model: String,
}

async fn show(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Query(address): Query<Address>,
) -> Result<Response, PageError> {
    let own = prices::own(&service, &visitor.caller)?;
    let charged = prices::by_fallback(&service, &visitor.caller).await?;
    let quote = given(&address.model).map(|model| prices::quote(&service, &visitor.caller, model));
    let mistake = quote.as_ref().and_then(|quote| quote.as_ref().err());
    let wrong = mistake.is_some();
    let rows: Vec<Markup> = own
        .models
        .iter()
        .map(|(model, rates)| row(model, &rates.per_million()))
        .collect();
    let columns = [
        Column::new("Models"),
        Column::new("Input").right(),
        Column::new("Output").right(),
    ];
    let body = html! {
        (cards(&overview(&charged)))
        p.hint {
            "All prices are for a million tokens. Your own prices come first, then the list that is built in, \
             then the fallback."
        }
        @if !charged.is_empty() { (charged_by_fallback(&charged)) }
        (card("Look a model up", html! {
            form.filters method="get" action=(Part::Prices.path()) {
                (Field::new("model", "Model").value(&address.model).placeholder("gpt-4o-mini").plain().wide().show(mistake))
                div.buttons { (button(Kind::Plain, "Show price")) }
            }
            @if let Some(Ok(quote)) = &quote { (quoted(address.model.trim(), quote)) }
        }))
        section.card {
            h2 { "Your own prices" }
            @if rows.is_empty() {
                (empty_state("None", "Set prices in the service's file of prices, by model or by prefix.", html! {}))
            } @else { (table("Your own prices", &columns, &rows)) }
        }
        (card("The list that is built in", definition_list(&[
            ("List", html! { a href="https://github.com/pydantic/genai-prices" rel="noreferrer" { (LIST) } }),
            ("Version", html! { (LIST_VERSION) }),
            ("Date of its prices", html! {
                "Not told by the list. A newer one comes with a newer version of the service; your own prices are in force at once."
            }),
        ])))
        (card("Fallback", html! {
            p { "A model that has no price costs this, so that nothing is used for free by mistake." }
            (kinds(&own.fallback.per_million()))
            @if !own.fallback_configured { p.hint { "This is the default. Set your own in the service's file of prices." } }
        }))
    };
    let mut page = Part::Prices.page(&visitor, html! {}, body);
    if wrong {
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(page)
}

/// What deserves a look: models that people were charged for without anybody knowing the price.
fn overview(charged: &[FallbackCharge]) -> [Markup; 3] {
    let tone = if charged.is_empty() {
        Tone::Plain
    } else {
        Tone::Warn
    };
    let number = |n: usize| count(i64::try_from(n).unwrap_or(i64::MAX));
    let cost = charged
        .iter()
        .fold(0_i64, |sum, of| sum.saturating_add(of.cost_nano_usd));
    let link = (!charged.is_empty()).then_some("#charged");
    [
        stat(
            tone,
            &number(charged.len()),
            "models without a price, 30 days",
            link,
        ),
        stat(tone, &money(cost), "charged by the fallback, 30 days", link),
        stat(
            Tone::Plain,
            LIST_VERSION,
            "version of the list of prices",
            None,
        ),
    ]
}

fn charged_by_fallback(charged: &[FallbackCharge]) -> Markup {
    let columns = [
        Column::new("Model"),
        Column::new("Requests").right(),
        Column::new("Charged").right(),
        Column::new("Last day"),
    ];
    let rows: Vec<Markup> = charged
        .iter()
        .map(|of| {
            html! {
                tr {
                    th scope="row" {
                        @if of.model.is_empty() { span.muted { "No model was named" } }
                        @else { a href={ (Part::Prices.path()) (query(&[("model", &of.model)])) } { code { (of.model) } } }
                    }
                    td.right data-label="Requests" { (count(of.requests)) }
                    td.right data-label="Charged" { (money(of.cost_nano_usd)) }
                    td data-label="Last day" { (day_name(of.last_day)) }
                }
            }
        })
        .collect();
    html! {
        section.card id="charged" {
            h2 { "Charged by the fallback, last 30 days" }
            p {
                "No price is known for these models, so people were charged the fallback. Set prices for them in the service's \
                 file of prices; send the service SIGHUP to read it. What was charged stays as it was: correct it by credit."
            }
            (table("Charged by the fallback, last 30 days", &columns, &rows))
        }
    }
}

fn row(model: &str, prices: &PerKind<i64>) -> Markup {
    html! {
        tr {
            th scope="row" { code { (model) } }
            td.right data-label="Input" { (money(prices.get(TokenKind::Input))) }
            td.right data-label="Output" { (money(prices.get(TokenKind::Output))) }
        }
    }
}

fn quoted(model: &str, quote: &Quote) -> Markup {
    let (tone, text) = match quote.priced_by {
        "configuration" => (Tone::Good, "Your own price"),
        "fallback" => (Tone::Warn, "No price is known: the fallback"),
        _ => (Tone::Info, "From genai-prices"),
    };
    html! {
        h3 { (model) " " (badge(tone, text)) }
        (kinds(&quote.per_million))
    }
}

/// Prices by kind. A part that costs what its whole does is left out.
fn kinds(prices: &PerKind<i64>) -> Markup {
    let differs = |kind: &TokenKind| {
        kind.part_of()
            .is_none_or(|whole| prices.get(whole) != prices.get(*kind))
    };
    let shown = TokenKind::ALL.into_iter().filter(differs);
    let rows: Vec<_> = shown
        .map(|kind| (label(kind), html! { (money(prices.get(kind))) }))
        .collect();
    definition_list(&rows)
}

fn label(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Input => "Input",
        TokenKind::CachedInput => "Input read from a cache",
        TokenKind::CacheWrite => "Input written to a cache",
        TokenKind::AudioInput => "Audio input",
        TokenKind::Output => "Output",
        TokenKind::Reasoning => "Reasoning",
        TokenKind::AudioOutput => "Audio output",
    }
}
