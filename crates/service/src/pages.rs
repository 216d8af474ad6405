//! The pages under `/users/`, for people: keys, usage, limits, teams, and what administrators look after.
//!
//! What it is: handlers that parse forms and addresses and render HTML. They call the same use-cases in [`crate::ops`] as the
//! management API, on the same listener.
//!
//! What it is not: it decides nothing about keys, money or rights, and calls no store. [`visitor`] says who looks.

mod account;
mod admin;
mod alerts;
mod assets;
mod components;
mod document;
mod error;
mod form;
mod frame;
mod headers;
mod identity;
mod invitations;
mod keys;
mod limits;
mod notice;
mod nowhere;
mod outside;
mod requests;
mod sign_in;
mod team;
mod usage;
mod visitor;

use std::sync::Arc;

use axum::response::Redirect;
use axum::routing::get;
use axum::{Router, middleware};

use self::error::PageError;
use crate::service::Service;
use crate::sessions;

/// Where everything that people look at begins.
pub(crate) const ROOT: &str = "/users/";

/// The page that people come to first.
pub(crate) const HOME: &str = "/users/api-keys/";

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/users/sign-in/";

/// The routes of all pages. Behind each of them stand the session, the word of a proxy, and the check that no other site sends
/// a form.
pub(crate) fn routes(service: &Arc<Service>) -> Router<Arc<Service>> {
    let pages = Router::new()
        .route(ROOT, get(|| async { Redirect::to(HOME) }))
        .merge(account::routes())
        .merge(admin::routes())
        .merge(alerts::routes())
        .merge(invitations::routes())
        .merge(limits::routes())
        .merge(requests::routes())
        .merge(sign_in::routes())
        .merge(usage::routes())
        .merge(keys::routes())
        .merge(team::routes())
        .merge(nowhere::routes())
        .method_not_allowed_fallback(|| async { PageError::only_a_form() });
    pages
        .layer(middleware::from_fn_with_state(
            service.clone(),
            identity::hold,
        ))
        .layer(sessions::layer(service))
        .layer(middleware::from_fn_with_state(
            service.clone(),
            form::same_site,
        ))
        .merge(assets::routes())
        .layer(middleware::from_fn(headers::guarded))
}
