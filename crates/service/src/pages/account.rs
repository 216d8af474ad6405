//! One's own account: name, password, sessions.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::SIGN_IN;
use super::components::time;
use super::error::PageError;
use super::form::Posted;
use super::frame::{Frame, Section};
use super::notice::{self, Notice};
use super::outside::{Input, Wrong};
use super::visitor::Visitor;
use crate::ops::{people, sign_in};
use crate::service::Service;
use crate::store::Identity;

/// The page's address.
const ACCOUNT: &str = "/users/account/";

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(ACCOUNT, get(show))
        .route("/users/account/name", post(rename))
        .route("/users/account/password", post(change_password))
        .route(
            "/users/account/sign-out-everywhere",
            post(sign_out_everywhere),
        )
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
) -> Result<Response, PageError> {
    let name = visitor.name.clone();
    page(&service, &visitor, &name, &Wrong::default()).await
}

async fn page(
    service: &Service,
    visitor: &Visitor,
    name: &str,
    wrong: &Wrong,
) -> Result<Response, PageError> {
    let identities = people::identities(service, &visitor.id).await?;
    let frame = Frame {
        title: "Account",
        section: Section::Account,
        visitor,
        team: None,
    };
    let mut page = frame.page(body(visitor, name, &identities, wrong));
    *page.status_mut() = match wrong.status() {
        StatusCode::OK => page.status(),
        status => status,
    };
    Ok(page)
}

fn body(visitor: &Visitor, name: &str, identities: &[Identity], wrong: &Wrong) -> Markup {
    let name = Input {
        name: "name",
        label: "Name",
        kind: "text",
        autocomplete: "name",
        value: name,
        hint: "",
        required: true,
    };
    let password = |name, label, autocomplete, hint| Input {
        name,
        label,
        kind: "password",
        autocomplete,
        value: "",
        hint,
        required: true,
    };
    let present = password("present", "Present password", "current-password", "");
    let hint = "At least 12 characters. A few words in a row are good.";
    let new = password("password", "New password", "new-password", hint);
    html! {
        (wrong.above(&["name", "present", "password"]))
        section class="card" {
            h2 { "You" }
            p { "You have signed in as " strong { (visitor.email) } "." }
            (form(visitor, "/users/account/name", html! {
                (name.show(wrong))
                button type="submit" class="button" { "Save name" }
            }))
        }
        @if !identities.is_empty() {
            section class="card" {
                h2 { "Linked accounts" }
                p { "These sign you in too:" }
                ul {
                    @for identity in identities {
                        li { strong { (identity.issuer) } ", since " (time(identity.created_at)) }
                    }
                }
            }
        }
        section class="card" {
            h2 { "Password" }
            @if !visitor.has_password {
                p class="hint" { "You have no password: you sign in by a provider or by links. You may set one." }
            }
            (form(visitor, "/users/account/password", html! {
                input type="hidden" name="username" value=(visitor.email) autocomplete="username";
                @if visitor.has_password { (present.show(wrong)) }
                (new.show(wrong))
                p class="hint" { "Your other sessions end." }
                button type="submit" class="button" {
                    @if visitor.has_password { "Change password" } @else { "Set password" }
                }
            }))
        }
        section class="card" {
            h2 { "Sessions" }
            (form(visitor, "/users/sign-out", html! {
                button type="submit" class="button" { "Sign out" }
            }))
            (form(visitor, "/users/account/sign-out-everywhere", html! {
                p class="hint" { "Ends your sessions in all browsers, this one included." }
                button type="submit" class="button button-danger" { "Sign out everywhere" }
            }))
        }
    }
}

fn form(visitor: &Visitor, action: &str, body: Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(visitor.csrf);
            (body)
        }
    }
}

#[derive(Deserialize)]
struct Rename {
    #[serde(default)]
    name: String,
}

async fn rename(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Posted(asked): Posted<Rename>,
) -> Result<Response, PageError> {
    match people::rename(&service, &visitor.email, &asked.name).await {
        Ok(()) => {
            Notice::good("Your name was changed.")
                .and_go(visitor.session(), ACCOUNT)
                .await
        }
        Err(error) => page(&service, &visitor, &asked.name, &error.into()).await,
    }
}

#[derive(Deserialize)]
struct ChangePassword {
    #[serde(default)]
    present: String,
    #[serde(default)]
    password: String,
}

async fn change_password(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Posted(asked): Posted<ChangePassword>,
) -> Result<Response, PageError> {
    let changed =
        people::change_password(&service, &visitor.email, &asked.present, &asked.password).await;
    match changed {
        Ok(person) => {
            sign_in::begin(visitor.session(), &person).await?;
            let said = Notice::good("Your password was changed. Your other sessions have ended.");
            notice::keep(visitor.session(), said).await?;
            Ok(Redirect::to(ACCOUNT).into_response())
        }
        Err(error) => page(&service, &visitor, &visitor.name, &error.into()).await,
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn sign_out_everywhere(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    people::sign_out_everywhere(&service, &visitor.caller, &visitor.email).await?;
    visitor.session().flush().await?;
    Ok(Redirect::to(&format!("{SIGN_IN}?signed_out=yes")).into_response())
}
