//! All teams: their balances, and making and closing them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Admin, Nothing, Part, Question, given, query};
use crate::error::ApiError;
use crate::ops::teams::{self, CreateTeam};
use crate::pages::components::{
    Column, Field, Kind, Tone, badge, button, day, empty_state, form, link_button, mistakes, money,
    pagination, table,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::{Page, PageRequest, Team};

const NEW: &str = "/users/admin/teams/new";

/// How many teams are on a page.
const SHOWN: u32 = 50;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(Part::Teams.path(), get(list))
        .route(NEW, get(new).post(create))
        .route("/users/admin/teams/{team}/close", get(ask).post(close))
}

/// What the address says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    /// The id of the one team that is looked for.
    id: String,
    after: String,
}

async fn list(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Query(address): Query<Address>,
) -> Result<Response, PageError> {
    let page = found(&service, &visitor, &address).await?;
    let rows: Vec<Markup> = page.items.iter().map(row).collect();
    let columns = [
        Column::new("Team"),
        Column::new("Balance").right(),
        Column::new("Status"),
        Column::new("Created"),
        Column::new("Actions").hidden(),
    ];
    let first = (!address.after.is_empty()).then(|| Part::Teams.path().to_owned());
    let next = page.next.as_deref();
    let next = next.map(|next| format!("{}{}", Part::Teams.path(), query(&[("after", next)])));
    let text = format!("{} teams on this page", rows.len());
    let add = link_button(Kind::Primary, NEW, "Create team");
    let body = html! {
        form.filters method="get" action=(Part::Teams.path()) {
            (Field::new("id", "Team id").kind("search").value(&address.id).plain().wide().show(None))
            div.buttons {
                (button(Kind::Plain, "Find"))
                @if !address.id.is_empty() { (link_button(Kind::Quiet, Part::Teams.path(), "Show all")) }
            }
        }
        @if rows.is_empty() && address.id.is_empty() {
            (empty_state("No teams yet", "A team has keys, members and credit of its own.", html! {}))
        } @else if rows.is_empty() {
            (empty_state("No such team", "No team has this id.", link_button(Kind::Plain, Part::Teams.path(), "Show all teams")))
        } @else {
            (table("Teams", &columns, &rows))
            @if first.is_some() || next.is_some() { (pagination(&text, first.as_deref(), next.as_deref())) }
        }
    };
    Ok(Part::Teams.page(&visitor, add, body))
}

/// The teams of an address.
async fn found(
    service: &Service,
    visitor: &Visitor,
    address: &Address,
) -> Result<Page<Team>, ApiError> {
    if let Some(id) = given(&address.id) {
        let items = match teams::show(service, &visitor.caller, id).await {
            Ok(team) => vec![team],
            Err(error) if error.status() == axum::http::StatusCode::NOT_FOUND => Vec::new(),
            Err(error) => return Err(error),
        };
        return Ok(Page { items, next: None });
    }
    let page = PageRequest {
        after: given(&address.after).map(str::to_owned),
        limit: SHOWN,
    };
    teams::list(service, &visitor.caller, &page).await
}

fn row(team: &Team) -> Markup {
    let of = query(&[("team", team.id.as_str())]);
    html! {
        tr {
            th scope="row" {
                a href={ "/users/team/" (of) } { (team.name) }
                div.hint { code { (team.id) } }
            }
            td.right data-label="Balance" { (money(team.balance_nano_usd)) }
            td data-label="Status" {
                @if team.closed_at.is_some() { (badge(Tone::Plain, "Closed")) }
                @else if team.exhausted { (badge(Tone::Bad, "No credit left")) }
                @else if team.prepaid { (badge(Tone::Good, "Prepaid")) }
                @else { (badge(Tone::Plain, "Not prepaid")) }
            }
            td data-label="Created" { (day(team.created_at)) }
            td {
                span.buttons {
                    a.button.button-small href={ (crate::pages::HOME) (of) } aria-label={ "Keys of " (team.name) } { "Keys" }
                    a.button.button-small href={ "/users/usage/" (of) } aria-label={ "Usage of " (team.name) } { "Usage" }
                    @if team.closed_at.is_none() {
                        a.button.button-small href={ (Part::Teams.path()) (team.id) "/close" } aria-label={ "Close " (team.name) } { "Close" }
                    }
                }
            }
        }
    }
}

/// What stands in the form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Draft {
    id: String,
    name: String,
    prepaid: String,
}

async fn new(Admin(visitor): Admin) -> Response {
    edit(&visitor, &Draft::default(), None)
}

fn edit(visitor: &Visitor, draft: &Draft, mistake: Option<&ApiError>) -> Response {
    let fields = html! {
        (mistakes(&["id", "name"], mistake))
        (Field::new("id", "Id").value(&draft.id).hint("Letters, digits, _, . or -. It cannot be changed.").required().show(mistake))
        (Field::new("name", "Name").value(&draft.name).hint("What people call it.").placeholder("The id").show(mistake))
        div.field {
            label.check {
                input type="checkbox" name="prepaid" value="yes" checked[!draft.prepaid.is_empty()];
                " Prepaid: spends only what was topped up"
            }
        }
        div.buttons {
            (button(Kind::Primary, "Create team"))
            (link_button(Kind::Plain, Part::Teams.path(), "Cancel"))
        }
    };
    let body = html! { div.card { (form(visitor, NEW, fields)) } };
    Part::Teams.under(visitor, "Create team", mistake, body)
}

async fn create(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let asked = CreateTeam {
        id: draft.id.trim().to_owned(),
        name: given(&draft.name).map(str::to_owned),
        prepaid: !draft.prepaid.is_empty(),
        policy: None,
    };
    match teams::create(&service, &visitor.caller, asked, None).await {
        Ok(made) => {
            let done = Notice::good(format!("The team {} was created.", made.team.name));
            done.and_go(visitor.session(), Part::Teams.path()).await
        }
        Err(mistake) => Ok(edit(&visitor, &draft, Some(&mistake))),
    }
}

async fn ask(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(team): Path<String>,
) -> Result<Response, PageError> {
    question(&service, &visitor, &team, None).await
}

async fn question(
    service: &Service,
    visitor: &Visitor,
    team: &str,
    mistake: Option<&ApiError>,
) -> Result<Response, PageError> {
    let team = teams::show(service, &visitor.caller, team).await?;
    let text = format!(
        "All keys of {} are revoked, and it gets no new ones. Its usage and its balance of {} stay to be read. This cannot be undone.",
        team.name,
        money(team.balance_nano_usd)
    );
    let asked = Question {
        title: &format!("Close {}?", team.name),
        text: &text,
        verb: "Close team",
        action: &format!("{}{}/close", Part::Teams.path(), team.id),
    };
    Ok(Part::Teams.confirm(visitor, &asked, mistake))
}

async fn close(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(team): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    match teams::close(&service, &visitor.caller, &team).await {
        Ok(team) => {
            let text = format!(
                "The team {} was closed, and its keys were revoked.",
                team.name
            );
            Notice::good(text)
                .and_go(visitor.session(), Part::Teams.path())
                .await
        }
        Err(mistake) => question(&service, &visitor, &team, Some(&mistake)).await,
    }
}
