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

use super::{Admin, Part, given};
use crate::ops::prices;
use crate::pages::components::{
    Column, Field, Kind, Tone, badge, button, card, definition_list, empty_state, money, table,
};
use crate::pages::error::PageError;
use crate::price::Quote;
use crate::service::Service;

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
        p.hint {
            "All prices are for a million tokens. Your own prices come first, then the \
             list genai-prices that is built into this version, then the fallback."
        }
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
