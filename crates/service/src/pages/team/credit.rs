//! The team's credit: what is left, and what moved it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::{OfTeam, Part, address, mistake, page, team};
use crate::error::ApiError;
use crate::ops::credit::{self, Credit};
use crate::ops::teams;
use crate::pages::components::{
    Column, Field, Kind, button, card, definition_list, form, mistakes, money, pagination, table,
    time,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::{LedgerRow, PageRequest};

const PATH: &str = "/users/team/credit";

/// Rows on a page of the ledger.
const ROWS: u32 = 50;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(PATH, get(show).post(add))
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
}

/// A top-up or correction as it was typed.
#[derive(Default, Deserialize)]
struct Typed {
    amount_usd: String,
    note: String,
    /// Makes a form that is sent twice count once.
    once: String,
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Query(After { after }): Query<After>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    render(&service, &visitor, of, after, &Typed::default(), None).await
}

async fn add(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(typed): Posted<Typed>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let asked = Credit {
        amount_usd: Some(typed.amount_usd.trim().trim_start_matches('$').to_owned()),
        amount_nano_usd: None,
        note: typed.note.clone(),
    };
    let id = of.team.id.as_str();
    let added = match typed.note.trim().is_empty() {
        // Without rights nobody is told to write a note.
        true if visitor.admin => Err(ApiError::invalid(
            "note",
            "Say what this is for: it stays in the ledger.",
        )),
        _ => {
            credit::add(
                &service,
                &visitor.caller,
                id,
                asked,
                Some(typed.once.clone()),
            )
            .await
        }
    };
    match added {
        Ok(team) => {
            let said = format!("The balance is {} now.", money(team.balance_nano_usd));
            Notice::good(said)
                .and_go(visitor.session(), &address(PATH, of))
                .await
        }
        Err(error) => {
            let wrong = mistake(error)?;
            render(&service, &visitor, of, None, &typed, Some(&wrong)).await
        }
    }
}

async fn render(
    service: &Service,
    visitor: &Visitor,
    of: &Membership,
    after: Option<String>,
    typed: &Typed,
    wrong: Option<&ApiError>,
) -> Result<Response, PageError> {
    let id = of.team.id.as_str();
    let team = teams::show(service, &visitor.caller, id).await?;
    let is_first = after.is_none();
    let request = PageRequest { after, limit: ROWS };
    let ledger = credit::ledger(service, &visitor.caller, id, &request).await?;
    let paid = if team.prepaid {
        "Prepaid: its keys stop when nothing is left"
    } else {
        "Billed afterwards"
    };
    let first = (!is_first).then(|| address(PATH, of));
    let next = ledger
        .next
        .as_ref()
        .map(|next| format!("{}&after={next}", address(PATH, of)));
    let body = html! {
        (mistakes(&["amount_usd", "note"], wrong))
        (card("Balance", definition_list(&[
            ("Balance", html! { strong { (money(team.balance_nano_usd)) } }),
            ("Payment", html! { (paid) }),
        ])))
        @if visitor.admin { (card("Top up or correct", add_form(visitor, of, typed, wrong)?)) }
        (card("Ledger", html! {
            @if ledger.items.is_empty() { p.muted { "Nothing has moved the balance yet." } }
            @else {
                (rows(&ledger.items))
                (pagination("The latest first", first.as_deref(), next.as_deref()))
            }
        }))
    };
    Ok(page(visitor, of, Part::Credit, wrong, body))
}

fn add_form(
    visitor: &Visitor,
    of: &Membership,
    typed: &Typed,
    wrong: Option<&ApiError>,
) -> Result<Markup, PageError> {
    let once = match typed.once.as_str() {
        "" => hex::encode(crate::secret::random::<16>().map_err(|_| PageError::unavailable())?),
        kept => kept.to_owned(),
    };
    Ok(form(
        visitor,
        &address(PATH, of),
        html! {
            input type="hidden" name="once" value=(once);
            (Field::new("amount_usd", "Amount in dollars").value(&typed.amount_usd).placeholder("25.00")
                .hint("Below zero is a correction, such as -5.00. Up to nine decimals.").required().show(wrong))
            (Field::new("note", "Note").value(&typed.note).hint("Such as an invoice's number.").required().show(wrong))
            (button(Kind::Primary, "Add to balance"))
        },
    ))
}

fn rows(items: &[LedgerRow]) -> Markup {
    let columns = [
        Column::new("Time"),
        Column::new("Kind"),
        Column::new("Amount").right(),
        Column::new("Key"),
        Column::new("By"),
        Column::new("Note"),
    ];
    let rows: Vec<Markup> = items
        .iter()
        .map(|row| {
            html! {
                tr {
                    td data-label="Time" { (time(row.at)) }
                    td data-label="Kind" { (kind(&row.kind)) }
                    td.right data-label="Amount" { (money(row.amount_nano_usd)) }
                    td data-label="Key" { (row.key.as_deref().unwrap_or("–")) }
                    td data-label="By" { (row.actor) }
                    td data-label="Note" { (row.note) }
                }
            }
        })
        .collect();
    table("Ledger", &columns, &rows)
}

fn kind(name: &str) -> &str {
    match name {
        "top_up" => "Top-up",
        "charge" => "Usage",
        "adjustment" => "Correction",
        other => other,
    }
}
