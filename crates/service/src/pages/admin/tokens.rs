//! Tokens of administrators, of teams' tools and of proxies.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Admin, Nothing, Part, Question, given};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::tokens::{self, CreateToken};
use crate::pages::components::{
    Column, Field, Kind, Tone, ago, badge, button, code_block, empty_state, form, link_button,
    mistakes, notice, select, table, time,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::{Ended, Role, ServiceToken};

const NEW: &str = "/users/admin/tokens/new";

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(Part::Tokens.path(), get(list))
        .route(NEW, get(new).post(create))
        .route("/users/admin/tokens/{id}/revoke", get(ask).post(revoke))
}

async fn list(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
) -> Result<Response, PageError> {
    let tokens = tokens::list(&service, &visitor.caller).await?;
    let now = Millis::now();
    // Those that still open something come first.
    let (valid, ended): (Vec<_>, Vec<_>) = tokens.iter().partition(|t| t.ended(now).is_none());
    let rows: Vec<Markup> = valid.iter().chain(&ended).map(|t| row(t, now)).collect();
    let columns = [
        Column::new("Name"),
        Column::new("Role"),
        Column::new("Team"),
        Column::new("Status"),
        Column::new("Created"),
        Column::new("Last used"),
        Column::new("Actions").hidden(),
    ];
    let add = link_button(Kind::Primary, NEW, "Create token");
    let body = html! {
        p.hint {
            "Programs show a token to the management API, and proxies one to get keys. A token cannot be read again after it \
             was made."
        }
        @if rows.is_empty() {
            (empty_state("No tokens", "Create one for each program that calls the management API.", html! {}))
        } @else { (table("Tokens", &columns, &rows)) }
    };
    Ok(Part::Tokens.page(&visitor, add, body))
}

fn row(token: &ServiceToken, now: Millis) -> Markup {
    let ended = token.ended(now);
    html! {
        tr {
            th scope="row" {
                (token.name)
                div.hint { code { (token.id) } @if token.configured { " · configured at the start" } }
            }
            td data-label="Role" { (role_name(token.role)) }
            td data-label="Team" { @match &token.team { Some(team) => (team), None => "All" } }
            td data-label="Status" {
                @match (ended, token.expires_at) {
                    (Some(Ended::Revoked(at)), _) => { (badge(Tone::Bad, "Revoked")) " " (ago(at)) }
                    (Some(Ended::Expired(at)), _) => { (badge(Tone::Plain, "Expired")) " " (ago(at)) }
                    (None, Some(at)) => { (badge(Tone::Warn, "Expires")) " " (ago(at)) }
                    (None, None) => (badge(Tone::Good, "Active")),
                }
            }
            td data-label="Created" { (time(token.created_at)) }
            td data-label="Last used" { @match token.last_used_at { Some(at) => (ago(at)), None => "Never" } }
            td {
                @if ended.is_none() {
                    a.button.button-small href={ (Part::Tokens.path()) (token.id) "/revoke" } aria-label={ "Revoke " (token.name) } { "Revoke" }
                }
            }
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "Administrator",
        Role::TeamAdmin => "Team administrator",
        Role::Reader => "Reader",
        Role::Proxy => "Proxy",
    }
}

/// What stands in the form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Draft {
    name: String,
    role: String,
    team: String,
    /// Makes a form that is sent twice make one token.
    once: String,
}

async fn new(Admin(visitor): Admin) -> Result<Response, PageError> {
    let draft = Draft {
        role: Role::Reader.name().to_owned(),
        once: once()?,
        ..Draft::default()
    };
    Ok(edit(&visitor, &draft, None))
}

fn once() -> Result<String, ApiError> {
    let random = crate::secret::random::<16>().map_err(|error| ApiError::internal(&error))?;
    Ok(hex::encode(random))
}

fn edit(visitor: &Visitor, draft: &Draft, mistake: Option<&ApiError>) -> Response {
    let roles = [
        (Role::Reader.name(), "Reader: reads everything, or one team"),
        (
            Role::TeamAdmin.name(),
            "Team administrator: everything of one team but its credit",
        ),
        (Role::Admin.name(), "Administrator: everything"),
        (Role::Proxy.name(), "Proxy: gets keys and reports usage"),
    ];
    let fields = html! {
        (mistakes(&["name", "role", "team"], mistake))
        input type="hidden" name="once" value=(draft.once);
        (Field::new("name", "Name").value(&draft.name).hint("What it is for, such as the program that uses it.").required().show(mistake))
        (select("role", "Role", &roles, &draft.role, "", mistake))
        (Field::new("team", "Team").value(&draft.team).hint("The team's id. A team administrator needs one; a reader may have one.").show(mistake))
        div.buttons {
            (button(Kind::Primary, "Create token"))
            (link_button(Kind::Plain, Part::Tokens.path(), "Cancel"))
        }
    };
    let body = html! { div.card { (form(visitor, NEW, fields)) } };
    Part::Tokens.under(visitor, "Create token", mistake, body)
}

async fn create(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let roles = [Role::Admin, Role::TeamAdmin, Role::Reader, Role::Proxy];
    let made = match roles.into_iter().find(|role| role.name() == draft.role) {
        Some(role) => {
            let asked = CreateToken {
                name: draft.name.clone(),
                role,
                team: given(&draft.team).map(str::to_owned),
            };
            let once = given(&draft.once).map(str::to_owned);
            tokens::create(&service, &visitor.caller, asked, once).await
        }
        None => Err(ApiError::invalid("role", "Choose a role from the list.")),
    };
    let made = match made {
        Ok(made) => made,
        Err(mistake) => return Ok(edit(&visitor, &draft, Some(&mistake))),
    };
    let Some(token) = made.token else {
        let text = "This token was made already, and is not shown again. If you did not copy it, revoke it and create another.";
        return Notice::bad(text)
            .and_go(visitor.session(), Part::Tokens.path())
            .await;
    };
    let body = html! {
        (notice(Tone::Warn, html! { "Copy the token now. It is not shown again." }))
        div.card {
            (code_block("token", "Token", token.reveal()))
            p.hint { "Its id is " code { (made.view.id) } "; the audit log shows it." }
            (link_button(Kind::Primary, Part::Tokens.path(), "Done"))
        }
    };
    Ok(Part::Tokens.under(&visitor, &made.view.name, None, body))
}

async fn ask(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    question(&service, &visitor, &id, None).await
}

async fn question(
    service: &Service,
    visitor: &Visitor,
    id: &str,
    mistake: Option<&ApiError>,
) -> Result<Response, PageError> {
    let tokens = tokens::list(service, &visitor.caller).await?;
    let token = tokens.into_iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| PageError::not_found("token"))?;
    let text = match token.role {
        Role::Proxy => format!(
            "Proxies that show {} get no more changes of keys, and report no usage, until they have another token.",
            token.name
        ),
        _ => format!(
            "Programs that show {} are refused at once. This cannot be undone.",
            token.name
        ),
    };
    let asked = Question {
        title: &format!("Revoke {}?", token.name),
        text: &text,
        verb: "Revoke token",
        action: &format!("{}{}/revoke", Part::Tokens.path(), token.id),
    };
    Ok(Part::Tokens.confirm(visitor, &asked, mistake))
}

async fn revoke(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(id): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    match tokens::revoke(&service, &visitor.caller, &id).await {
        Ok(()) => {
            let done = Notice::good("The token was revoked.");
            done.and_go(visitor.session(), Part::Tokens.path()).await
        }
        Err(mistake) => question(&service, &visitor, &id, Some(&mistake)).await,
    }
}
