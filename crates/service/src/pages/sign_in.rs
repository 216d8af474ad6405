//! Signing in and out: by a password, by a one-time link, and with a provider.
//!
//! A link's page only shows a button: mail programs and chats open links to preview them, and must not use them up.

mod oidc;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use serde::Deserialize;
use tower_sessions::Session;

use super::error::{PageError, safe_next};
use super::form::{Posted, PostedByAnyone};
use super::outside::{self, Input, Wrong};
use super::visitor::{Visitor, session};
use super::{HOME, SIGN_IN};
use crate::client::Client;
use crate::error::ApiError;
use crate::ops;
use crate::ops::sign_in::Newcomer;
use crate::service::Service;
use crate::store::SignInLink;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(SIGN_IN, get(show).post(by_password))
        .route("/users/sign-in/link/{token}", get(link).post(use_link))
        .route("/users/sign-out", post(sign_out))
        .merge(oidc::routes())
}

/// The session of somebody who may not have signed in.
pub(super) struct Anyone(pub(super) Session);

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        session(parts).map(Self)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
    #[serde(default)]
    signed_out: String,
}

#[derive(Debug, Deserialize)]
struct ByPassword {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// Where somebody goes who has just signed in.
pub(super) fn destination(next: &str) -> &str {
    safe_next(next).unwrap_or(HOME)
}

async fn show(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, PageError> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    if ops::sign_in::who(&service, &session).await?.is_some() {
        return Ok(Redirect::to(destination(&asked.next)).into_response());
    }
    let page = Page {
        next: asked.next,
        signed_out: !asked.signed_out.is_empty(),
        ..Page::default()
    };
    Ok(page.of(&service).await)
}

/// The sign-in page.
#[derive(Default)]
struct Page {
    email: String,
    next: String,
    signed_out: bool,
    wrong: Wrong,
}

impl Page {
    /// One that says why somebody was not signed in.
    fn wrong(error: ApiError) -> Self {
        Self {
            wrong: error.into(),
            ..Self::default()
        }
    }

    async fn of(self, service: &Service) -> Response {
        let Self {
            email,
            next,
            signed_out,
            wrong,
        } = self;
        let email = Input {
            name: "email",
            label: "Email address",
            kind: "email",
            autocomplete: "username",
            value: &email,
            hint: "",
            required: true,
        };
        let password = Input {
            name: "password",
            label: "Password",
            kind: "password",
            autocomplete: "current-password",
            value: "",
            hint: "",
            required: true,
        };
        let provider = service.provider.as_ref();
        let leave = match provider.filter(|_| signed_out) {
            Some(provider) => provider.sign_out_url(),
            None => None,
        };
        let body = html! {
            @if signed_out {
                p class="notice notice-good" role="status" {
                    "You have signed out."
                    @if let (Some(provider), Some(leave)) = (provider, leave) {
                        " " a href=(leave) { "Sign out of " (provider.name()) " too" }
                    }
                }
            }
            (wrong.above(&["email", "password"]))
            @if let Some(provider) = provider {
                a class="button button-primary" href=(oidc::address(&next)) { "Sign in with " (provider.name()) }
                p class="or" { "or" }
            }
            form method="post" action=(SIGN_IN) {
                @if let Some(next) = safe_next(&next) { input type="hidden" name="next" value=(next); }
                (email.show(&wrong))
                (password.show(&wrong))
                button type="submit" class={ "button" @if provider.is_none() { " button-primary" } } { "Sign in" }
            }
            p class="hint" {
                "No account, or no password any more? Ask an owner of your team for an invitation, or an administrator for a sign-in link."
            }
        };
        outside::page(wrong.status(), "Sign in", body)
    }
}

async fn by_password(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    Client(client): Client,
    PostedByAnyone(form): PostedByAnyone<ByPassword>,
) -> Result<Response, PageError> {
    match ops::sign_in::by_password(&service, client, &form.email, &form.password).await {
        Ok(person) => {
            ops::sign_in::begin(&session, &person).await?;
            Ok(Redirect::to(destination(&form.next)).into_response())
        }
        Err(error) => {
            let page = Page {
                email: form.email,
                next: form.next,
                ..Page::wrong(error)
            };
            Ok(page.of(&service).await)
        }
    }
}

async fn link(
    State(service): State<Arc<Service>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    let link = ops::sign_in::link(&service, &token).await?;
    Ok(link_page(&link, &Newcomer::default(), &Wrong::default()))
}

fn link_page(link: &SignInLink, form: &Newcomer, wrong: &Wrong) -> Response {
    let email = Input {
        name: "email",
        label: "Email address",
        kind: "email",
        autocomplete: "username",
        value: &form.email,
        hint: "",
        required: true,
    };
    let name = Input {
        name: "name",
        label: "Name",
        kind: "text",
        autocomplete: "name",
        value: &form.name,
        hint: "What others see. Empty: the address up to the @.",
        required: false,
    };
    let first = link.email.is_none();
    let password = Input {
        name: "password",
        label: "New password",
        kind: "password",
        autocomplete: "new-password",
        value: "",
        hint: match first {
            true => "At least 12 characters. A few words in a row are good.",
            false => "At least 12 characters. Empty: your password stays as it is.",
        },
        required: first,
    };
    let body = html! {
        (wrong.above(&["email", "name", "password"]))
        // Without an action the form goes to this page's own address.
        form method="post" {
            @if let Some(email) = &link.email {
                p { "This link signs you in as " strong { (email) } ", once." }
                input type="hidden" name="username" value=(email) autocomplete="username";
                details open[wrong.status().is_client_error()] {
                    summary { "Set a password" }
                    (password.show(wrong))
                }
            } @else {
                p { "You will be the first administrator of this service. The link works once." }
                (email.show(wrong))
                (name.show(wrong))
                (password.show(wrong))
            }
            button type="submit" class="button button-primary" {
                @if first { "Create account and sign in" } @else { "Sign in" }
            }
        }
    };
    let title = if first { "Welcome" } else { "Sign in" };
    outside::page(wrong.status(), title, body)
}

async fn use_link(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    Path(token): Path<String>,
    PostedByAnyone(form): PostedByAnyone<Newcomer>,
) -> Result<Response, PageError> {
    let link = ops::sign_in::link(&service, &token).await?;
    let shown = Newcomer {
        email: form.email.clone(),
        name: form.name.clone(),
        password: String::new(),
    };
    match ops::sign_in::use_link(&service, &token, form).await {
        Ok(person) => {
            ops::sign_in::begin(&session, &person).await?;
            Ok(Redirect::to(HOME).into_response())
        }
        Err(error) if error.param().is_some() => Ok(link_page(&link, &shown, &error.into())),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn sign_out(
    visitor: Visitor,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    visitor.session().flush().await?;
    Ok(Redirect::to(&format!("{SIGN_IN}?signed_out=yes")).into_response())
}
