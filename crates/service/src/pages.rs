//! The pages under `/users/`, for people: keys, usage, limits, teams, and what administrators look after.
//!
//! What it is: handlers that parse forms and addresses and render HTML. They call the same use-cases in [`crate::ops`] as the
//! management API, on the same listener.
//!
//! What it is not: it decides nothing about keys, money or rights, and calls no store. [`visitor`] says who looks.
#![allow(dead_code, reason = "the pages are added one by one")]

mod assets;
mod components;
mod frame;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;

use crate::service::Service;

/// Where everything that people look at begins.
pub(crate) const ROOT: &str = "/users/";

/// The page that people come to first.
pub(crate) const HOME: &str = "/users/api-keys/";

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/users/sign-in/";

/// The routes of all pages.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(ROOT, get(|| async { Redirect::to(HOME) }))
        .merge(assets::routes())
}
