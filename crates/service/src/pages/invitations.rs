//! The page of an invitation's link: who follows it becomes a member of the team.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;

use super::HOME;
use super::error::{PageError, sign_in_address};
use super::form::{Posted, PostedByAnyone};
use super::notice::{self, Notice};
use super::outside::{self, Input, Wrong};
use super::sign_in::Anyone;
use super::visitor::Visitor;
use crate::ops::sign_in::Newcomer;
use crate::ops::{invitations, sign_in};
use crate::service::Service;
use crate::sessions::CSRF;
use crate::store::{Invitation, MemberRole};

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/users/invitations/{token}", get(show).post(newcomer))
        .route("/users/invitations/{token}/accept", post(accept))
}

fn role(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Owner => "an owner",
        MemberRole::Developer => "a developer",
        MemberRole::Viewer => "a viewer",
    }
}

async fn show(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let (invitation, has_account) = invitations::open(&service, &token).await?;
    let who = sign_in::who(&service, &session).await?;
    let here = format!("/users/invitations/{token}");
    let body = match who {
        Some(of) if of.person.email == invitation.email => {
            let csrf: String = session.get(CSRF).await?.unwrap_or_default();
            html! {
                (intro(&invitation))
                form method="post" action=(format!("{here}/accept")) {
                    input type="hidden" name="csrf" value=(csrf);
                    button type="submit" class="button button-primary" { "Join the team" }
                }
            }
        }
        Some(of) => html! {
            (intro(&invitation))
            p class="notice notice-bad" {
                "You have signed in as " (of.person.email) ". Sign out first, then open the link again."
            }
            p { a href="/users/account/" { "To your account" } }
        },
        None if has_account => html! {
            (intro(&invitation))
            p {
                a class="button button-primary" href=(sign_in_address(Some(&here))) { "Sign in to join" }
            }
        },
        None => {
            return Ok(newcomer_page(
                &service,
                &invitation,
                &here,
                &Newcomer::default(),
                &Wrong::default(),
            ));
        }
    };
    Ok(outside::page(
        axum::http::StatusCode::OK,
        "Join a team",
        body,
    ))
}

fn intro(invitation: &Invitation) -> maud::Markup {
    html! {
        p {
            strong { (invitation.email) } " is invited into the team " strong { (invitation.team.as_str()) }
            " as " (role(invitation.role)) "."
        }
    }
}

fn newcomer_page(
    service: &Service,
    invitation: &Invitation,
    here: &str,
    form: &Newcomer,
    wrong: &Wrong,
) -> Response {
    let name = Input {
        name: "name",
        label: "Name",
        kind: "text",
        autocomplete: "name",
        value: &form.name,
        hint: "What others see. Empty: the address up to the @.",
        required: false,
    };
    let password = Input {
        name: "password",
        label: "Password",
        kind: "password",
        autocomplete: "new-password",
        value: "",
        hint: "At least 12 characters. A few words in a row are good.",
        required: true,
    };
    let body = html! {
        (intro(invitation))
        @if service.people.oidc.is_some() {
            p {
                a class="button button-primary" href=(sign_in_address(Some(here))) { "Sign in to join" }
            }
            p class="hint" { "Or make an account with a password:" }
        }
        (wrong.above(&["name", "password"]))
        form method="post" action=(here) {
            input type="hidden" name="username" value=(invitation.email) autocomplete="username";
            (name.show(wrong))
            (password.show(wrong))
            button type="submit" class="button button-primary" { "Create account and join" }
        }
    };
    outside::page(wrong.status(), "Join a team", body)
}

async fn newcomer(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    Path(token): Path<String>,
    PostedByAnyone(form): PostedByAnyone<Newcomer>,
) -> Result<Response, PageError> {
    let (invitation, _) = invitations::open(&service, &token).await?;
    match invitations::accept_as_newcomer(&service, &token, &form).await {
        Ok((invitation, person)) => {
            sign_in::begin(&session, &person).await?;
            let joined = joined(&invitation);
            notice::keep(&session, joined).await?;
            Ok(Redirect::to(&home(&invitation)).into_response())
        }
        Err(error) if error.param().is_some() => {
            let here = format!("/users/invitations/{token}");
            Ok(newcomer_page(
                &service,
                &invitation,
                &here,
                &form,
                &error.into(),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn accept(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(token): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    let invitation = invitations::accept(&service, &token, &visitor.email).await?;
    joined(&invitation)
        .and_go(visitor.session(), &home(&invitation))
        .await
}

fn joined(invitation: &Invitation) -> Notice {
    let team = invitation.team.as_str();
    Notice::good(format!("You are now {} of {team}.", role(invitation.role)))
}

fn home(invitation: &Invitation) -> String {
    format!("{HOME}?team={}", invitation.team.as_str())
}
