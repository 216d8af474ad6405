//! The pages under `/users/`, for people: keys, usage, limits, teams, and what administrators look after.
//!
//! What it is: handlers that parse forms and addresses and render HTML. They call the same use-cases in [`crate::ops`] as the
//! management API, on the same listener.
//!
//! What it is not: it decides nothing about keys, money or rights, and calls no store. [`visitor`] says who looks.

mod account;
mod admin;
mod assets;
mod components;
mod document;
mod error;
mod form;
mod frame;
mod invitations;
mod keys;
mod limits;
mod notice;
mod outside;
mod requests;
mod sign_in;
mod team;
mod usage;
mod visitor;

use std::sync::Arc;

use axum::http::Uri;
use axum::response::Redirect;
use axum::routing::{any, get};
use axum::{Router, middleware};

use crate::service::Service;
use crate::sessions;

use error::PageError;

/// Where everything that people look at begins.
pub(crate) const ROOT: &str = "/users/";

/// The page that people come to first.
pub(crate) const HOME: &str = "/users/api-keys/";

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/users/sign-in/";

/// Addresses that people type without the slash at their end.
const WITH_SLASH: [&str; 13] = [
    ROOT,
    HOME,
    SIGN_IN,
    "/users/api-keys/{id}/",
    "/users/usage/",
    "/users/limits/",
    "/users/team/",
    "/users/account/",
    "/users/admin/teams/",
    "/users/admin/tiers/",
    "/users/admin/prices/",
    "/users/admin/tokens/",
    "/users/admin/proxies/",
];

/// The same address with the slash.
async fn add_slash(uri: Uri) -> Redirect {
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::temporary(&format!("{}/{}", uri.path(), query.unwrap_or_default()))
}

/// The routes of all pages. Behind each of them stand the session and the check that no other site sends a form.
pub(crate) fn routes(service: &Arc<Service>) -> Router<Arc<Service>> {
    let pages = WITH_SLASH.iter().fold(Router::new(), |pages, page| {
        pages.route(page.trim_end_matches('/'), get(add_slash))
    });
    let pages = pages
        .route(
            "/users/{*rest}",
            any(|| async { PageError::not_found("page") }),
        )
        .route(ROOT, get(|| async { Redirect::to(HOME) }))
        .merge(account::routes())
        .merge(admin::routes())
        .merge(invitations::routes())
        .merge(limits::routes())
        .merge(requests::routes())
        .merge(sign_in::routes())
        .merge(usage::routes())
        .merge(keys::routes())
        .merge(team::routes());
    pages
        .layer(sessions::layer(service))
        .layer(middleware::from_fn_with_state(
            service.clone(),
            form::same_site,
        ))
        .merge(assets::routes())
}
