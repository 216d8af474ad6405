//! The team's alerts, and the addresses that they are posted to.

mod tables;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::{OfTeam, Part, address, mistake, owns, page, team};
use crate::error::ApiError;
use crate::ops::alerts::{self, AddAlertAddress, SecretAlertAddress, UpdateAlertAddress};
use crate::pages::components::{
    Field, Kind, button, card, code_block, dialog_page, form, link_button, mistakes, pagination,
    time,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::PageRequest;

const PATH: &str = "/users/team/alerts";

/// Rows of each list.
const ROWS: u32 = 25;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(PATH, get(show).post(add))
        .route("/users/team/alerts/test", post(test))
        .route("/users/team/alerts/switch", post(switch))
        .route("/users/team/alerts/rotate", post(rotate))
        .route("/users/team/alerts/remove", get(ask_to_remove).post(remove))
}

#[derive(Deserialize)]
struct After {
    after: Option<String>,
}

#[derive(Deserialize)]
struct Which {
    id: String,
}

#[derive(Deserialize)]
struct Switch {
    id: String,
    enabled: bool,
}

/// An address as it was typed.
#[derive(Default, Deserialize)]
struct Typed {
    url: String,
    #[serde(default)]
    name: String,
}

/// What a form of the page left to be shown.
#[derive(Default)]
struct Shown {
    typed: Typed,
    mistake: Option<ApiError>,
    secret: Option<SecretAlertAddress>,
    after: Option<String>,
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Query(After { after }): Query<After>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let state = Shown {
        after,
        ..Shown::default()
    };
    render(&service, &visitor, of, state).await
}

async fn add(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(typed): Posted<Typed>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let asked = AddAlertAddress {
        url: typed.url.trim().to_owned(),
        name: Some(typed.name.trim().to_owned()).filter(|name| !name.is_empty()),
    };
    let added = alerts::add(&service, &visitor.caller, of.team.id.as_str(), asked).await;
    let state = match added {
        // The secret is in this answer and nowhere else, so that nothing redirects.
        Ok(added) => Shown {
            secret: Some(added),
            ..Shown::default()
        },
        Err(error) => Shown {
            mistake: Some(mistake(error)?),
            typed,
            ..Shown::default()
        },
    };
    render(&service, &visitor, of, state).await
}

async fn render(
    service: &Service,
    visitor: &Visitor,
    of: &Membership,
    state: Shown,
) -> Result<Response, PageError> {
    let (caller, id) = (&visitor.caller, of.team.id.as_str());
    let is_first = state.after.is_none();
    let request = PageRequest {
        after: state.after.clone(),
        limit: ROWS,
    };
    let found = alerts::list(service, caller, id, &request).await?;
    let (addresses, deliveries) = match owns(of) {
        true => (
            alerts::addresses(service, caller, id).await?,
            alerts::deliveries(service, caller, id, None, ROWS).await?,
        ),
        false => Default::default(),
    };
    let first = (!is_first).then(|| address(PATH, of));
    let next = found
        .next
        .as_ref()
        .map(|next| format!("{}&after={next}", address(PATH, of)));
    let wrong = state.mistake.as_ref();
    let body = html! {
        @if let Some(added) = &state.secret { (secret(added)) }
        (mistakes(&["url", "name"], wrong))
        (card("Alerts", html! {
            p.muted {
                "At 50, 80 and 100 % of a key's budget or of the team's credit, seven days and one day before a key expires, and when a revoked key is still in use."
            }
            @if found.items.is_empty() { p.muted { "There was no reason for an alert yet." } }
            @else {
                (tables::alerts(&found.items))
                (pagination("The latest first", first.as_deref(), next.as_deref()))
            }
        }))
        @if owns(of) {
            (card("Addresses", html! {
                p.muted { "Each alert is posted to these addresses as signed JSON (Standard Webhooks)." }
                @if addresses.is_empty() { p.muted { "No address yet: alerts are shown on pages only." } }
                @else { (tables::addresses(visitor, of, &addresses)) }
            }))
            @if of.team.closed_at.is_none() { (card("Add an address", add_form(visitor, of, &state.typed, wrong))) }
            @if !deliveries.is_empty() { (card("Latest deliveries", tables::deliveries(&addresses, &deliveries))) }
        }
    };
    Ok(page(visitor, of, Part::Alerts, wrong, body))
}

fn secret(of: &SecretAlertAddress) -> Markup {
    card(
        "Secret",
        html! {
            p { "This secret signs what is posted to " strong { (of.address.name) } ". It is shown only now: give it to the receiver." }
            @if let Some(until) = of.address.previous_secret_until {
                p { "The secret before it signs too until " (time(until)) "." }
            }
            (code_block("alert-secret", "Secret", &of.secret))
        },
    )
}

fn add_form(visitor: &Visitor, of: &Membership, typed: &Typed, wrong: Option<&ApiError>) -> Markup {
    form(
        visitor,
        &address(PATH, of),
        html! {
            (Field::new("url", "Address").kind("url").value(&typed.url).placeholder("https://hooks.example.com/gmtech")
                .hint("It must begin with https:// and be on the public Internet.").required().show(wrong))
            (Field::new("name", "Name").value(&typed.name).placeholder("The address's host").show(wrong))
            (button(Kind::Primary, "Add address"))
        },
    )
}

async fn test(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Which { id }): Posted<Which>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    match alerts::test(&service, &visitor.caller, of.team.id.as_str(), &id).await {
        Ok(done) => {
            let notice = match done.problem {
                None => Notice::good("The test was delivered."),
                Some(problem) => Notice::bad(format!("The test was not delivered: {problem}.")),
            };
            notice.and_go(visitor.session(), &address(PATH, of)).await
        }
        Err(error) => again(&service, &visitor, of, error).await,
    }
}

async fn switch(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Switch { id, enabled }): Posted<Switch>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let asked = UpdateAlertAddress { enabled };
    let team = of.team.id.as_str();
    let is = alerts::update(&service, &visitor.caller, team, &id, asked).await?;
    let state = if is.enabled { "on" } else { "off" };
    Notice::good(format!("{} is {state} now.", is.name))
        .and_go(visitor.session(), &address(PATH, of))
        .await
}

async fn rotate(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Which { id }): Posted<Which>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let team = of.team.id.as_str();
    let rotated = alerts::rotate_secret(&service, &visitor.caller, team, &id).await?;
    let state = Shown {
        secret: Some(rotated),
        ..Shown::default()
    };
    render(&service, &visitor, of, state).await
}

async fn ask_to_remove(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    which: Result<Query<Which>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let Query(Which { id }) = which?;
    let known = alerts::addresses(&service, &visitor.caller, of.team.id.as_str()).await?;
    let found = known.into_iter().find(|one| one.id == id);
    let found = found.ok_or_else(|| PageError::not_found("alert address"))?;
    let body = dialog_page(html! {
        h2 { "Remove " (found.name) "?" }
        p { "Alerts are not posted to " code.breaks { (found.url) } " any more, and what waits for it is not sent." }
        (form(&visitor, &address("/users/team/alerts/remove", of), html! {
            input type="hidden" name="id" value=(found.id);
            div.buttons {
                (button(Kind::Danger, "Remove address"))
                (link_button(Kind::Plain, &address(PATH, of), "Cancel"))
            }
        }))
    });
    Ok(page(&visitor, of, Part::Alerts, None, body))
}

async fn remove(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Which { id }): Posted<Which>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    alerts::remove(&service, &visitor.caller, of.team.id.as_str(), &id).await?;
    Notice::good("The address was removed.")
        .and_go(visitor.session(), &address(PATH, of))
        .await
}

async fn again(
    service: &Service,
    visitor: &Visitor,
    of: &Membership,
    error: ApiError,
) -> Result<Response, PageError> {
    let state = Shown {
        mistake: Some(mistake(error)?),
        ..Shown::default()
    };
    render(service, visitor, of, state).await
}
