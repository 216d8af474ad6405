//! Who belongs to the team, and who is invited.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::{OfTeam, Part, address, mistake, owns, page, team};
use crate::error::ApiError;
use crate::ops::invitations::{self, Invite, Invited};
use crate::ops::members;
use crate::pages::alerts::{self, On};
use crate::pages::components::{
    Column, Field, Kind, ago, button, card, code_block, dialog_page, form, link_button, mistakes,
    select, table, time,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::{Invitation, Member, MemberRole, NewMember};

const ROLES: [(&str, &str); 3] = [
    ("developer", "Developer: makes and manages own keys"),
    ("viewer", "Viewer: sees keys and usage"),
    ("owner", "Owner: manages members and all keys"),
];

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/users/team/", get(show))
        .route("/users/team/role", post(change_role))
        .route("/users/team/remove", get(ask_to_remove).post(remove))
        .route("/users/team/invite", post(invite))
        .route("/users/team/revoke-invitation", post(revoke))
}

#[derive(Deserialize)]
struct Who {
    email: String,
}

#[derive(Deserialize)]
struct Which {
    id: String,
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    render(&service, &visitor, of, &Shown::default()).await
}

/// What a form of the page left to be shown.
#[derive(Default)]
struct Shown {
    mistake: Option<ApiError>,
    email: String,
    role: String,
    invited: Option<Invited>,
}

async fn render(
    service: &Service,
    visitor: &Visitor,
    of: &Membership,
    state: &Shown,
) -> Result<Response, PageError> {
    let id = of.team.id.as_str();
    let people = members::list(service, &visitor.caller, id).await?;
    // Invitations hold addresses of people who are no members yet: for owners only.
    let open = match owns(of) {
        true => invitations::list(service, &visitor.caller, id).await?,
        false => Vec::new(),
    };
    let lines = alerts::lines(service, visitor, of, On::Team).await?;
    let body = html! {
        (lines)
        @if let Some(invited) = &state.invited { (link(invited)) }
        (mistakes(&["email", "role"], state.mistake.as_ref()))
        (card("Members", list(visitor, of, &people)))
        @if owns(of) && of.team.closed_at.is_none() {
            (card("Invite somebody", invite_form(visitor, of, state)))
            @if !open.is_empty() { (card("Open invitations", waiting(visitor, of, &open))) }
        }
    };
    Ok(page(
        visitor,
        of,
        Part::Members,
        state.mistake.as_ref(),
        body,
    ))
}

fn link(invited: &Invited) -> Markup {
    card(
        "Invitation link",
        html! {
            p { "Send this link to " strong { (invited.invitation.email) } ". It is shown only now, and works once." }
            (code_block("invitation-link", "Invitation link", &invited.url))
        },
    )
}

fn list(visitor: &Visitor, of: &Membership, people: &[Member]) -> Markup {
    if people.is_empty() {
        return html! { p.muted { "This team has no members yet." } };
    }
    let columns = [
        Column::new("Address"),
        Column::new("Role"),
        Column::new("Member since"),
        Column::new("Actions").hidden(),
    ];
    let rows: Vec<Markup> = people.iter().map(|member| html! {
        tr {
            td data-label="Address" { (member.email) @if member.email == visitor.email { " " span.muted { "(you)" } } }
            td data-label="Role" {
                @if owns(of) { (role_form(visitor, of, member)) } @else { (member.role.name()) }
            }
            td data-label="Member since" { (time(member.added_at)) }
            td {
                @if owns(of) {
                    (link_button(Kind::Quiet, &format!("{}&{}", address("/users/team/remove", of), query("email", &member.email)), "Remove"))
                }
            }
        }
    }).collect();
    table("Members", &columns, &rows)
}

fn query(name: &str, value: &str) -> String {
    serde_html_form::to_string([(name, value)]).unwrap_or_default()
}

fn role_form(visitor: &Visitor, of: &Membership, member: &Member) -> Markup {
    let label = format!("Role of {}", member.email);
    form(
        visitor,
        &address("/users/team/role", of),
        html! {
            input type="hidden" name="email" value=(member.email);
            select name="role" aria-label=(label) {
                @for role in [MemberRole::Owner, MemberRole::Developer, MemberRole::Viewer] {
                    option value=(role.name()) selected[role == member.role] { (role.name()) }
                }
            }
            (button(Kind::Plain, "Change role"))
        },
    )
}

fn invite_form(visitor: &Visitor, of: &Membership, state: &Shown) -> Markup {
    let mistake = state.mistake.as_ref();
    form(
        visitor,
        &address("/users/team/invite", of),
        html! {
            (Field::new("email", "Address").kind("email").value(&state.email).required().show(mistake))
            (select("role", "Role", &ROLES, &state.role, "", mistake))
            (button(Kind::Primary, "Create invitation link"))
        },
    )
}

fn waiting(visitor: &Visitor, of: &Membership, open: &[Invitation]) -> Markup {
    let columns = [
        Column::new("Address"),
        Column::new("Role"),
        Column::new("Invited by"),
        Column::new("Ends"),
        Column::new("Actions").hidden(),
    ];
    let rows: Vec<Markup> = open
        .iter()
        .map(|invitation| {
            html! {
                tr {
                    td data-label="Address" { (invitation.email) }
                    td data-label="Role" { (invitation.role.name()) }
                    td data-label="Invited by" { (invitation.created_by) }
                    td data-label="Ends" { (ago(invitation.expires_at)) }
                    td { (form(visitor, &address("/users/team/revoke-invitation", of), html! {
                        input type="hidden" name="id" value=(invitation.id);
                        (button(Kind::Quiet, "Revoke"))
                    })) }
                }
            }
        })
        .collect();
    table("Open invitations", &columns, &rows)
}

async fn change_role(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(asked): Posted<NewRole>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let member = NewMember {
        email: asked.email,
        role: asked.role,
    };
    match members::put(&service, &visitor.caller, of.team.id.as_str(), member).await {
        Ok(member) => {
            let said = format!("{} is {} now.", member.email, member.role.name());
            Notice::good(said)
                .and_go(visitor.session(), &address("/users/team/", of))
                .await
        }
        Err(error) => again(&service, &visitor, of, error).await,
    }
}

#[derive(Deserialize)]
struct NewRole {
    email: String,
    role: MemberRole,
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
    render(service, visitor, of, &state).await
}

async fn ask_to_remove(
    visitor: Visitor,
    of: OfTeam,
    who: Result<axum::extract::Query<Who>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    if !owns(of) {
        return Err(PageError::forbidden(
            "Only owners of the team may remove members.",
        ));
    }
    let axum::extract::Query(Who { email }) = who?;
    let body = dialog_page(html! {
        h2 { "Remove " (email) "?" }
        p { "This person no longer sees " strong { (of.team.name) } ", its keys and its usage." }
        (form(&visitor, &address("/users/team/remove", of), html! {
            input type="hidden" name="email" value=(email);
            div.buttons {
                (button(Kind::Danger, "Remove member"))
                (link_button(Kind::Plain, &address("/users/team/", of), "Cancel"))
            }
        }))
    });
    Ok(page(&visitor, of, Part::Members, None, body))
}

async fn remove(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Who { email }): Posted<Who>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    match members::remove(&service, &visitor.caller, of.team.id.as_str(), &email).await {
        Ok(()) => {
            let to = if email == visitor.email {
                "/users/account/".to_owned()
            } else {
                address("/users/team/", of)
            };
            Notice::good(format!("{email} was removed."))
                .and_go(visitor.session(), &to)
                .await
        }
        Err(error) => again(&service, &visitor, of, error).await,
    }
}

async fn invite(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(asked): Posted<NewRole>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let mut state = Shown {
        email: asked.email.clone(),
        role: asked.role.name().into(),
        ..Shown::default()
    };
    let invite = Invite {
        email: asked.email,
        role: asked.role,
    };
    match invitations::invite(&service, &visitor.caller, of.team.id.as_str(), invite).await {
        // The link is a secret: it is in this answer and nowhere else, so that nothing redirects.
        Ok(invited) => {
            state = Shown {
                invited: Some(invited),
                ..Shown::default()
            }
        }
        Err(error) => state.mistake = Some(mistake(error)?),
    }
    render(&service, &visitor, of, &state).await
}

async fn revoke(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Posted(Which { id }): Posted<Which>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    invitations::revoke(&service, &visitor.caller, of.team.id.as_str(), &id).await?;
    Notice::good("The invitation was revoked.")
        .and_go(visitor.session(), &address("/users/team/", of))
        .await
}
