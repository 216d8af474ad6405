//! Signing in with the OpenID Connect provider: the way there, and the way back.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::{Anyone, Asked, Page, destination};
use crate::client::Client;
use crate::ops::sign_in::oidc;
use crate::pages::error::{PageError, safe_next};
use crate::provider::Answer;
use crate::service::Service;

/// Where the way to the provider begins. A link and no form: the policy of the pages lets no form lead elsewhere.
const BEGIN: &str = "/users/sign-in/oidc";

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(BEGIN, get(begin))
        .route("/users/sign-in/oidc/callback", get(come_back))
}

/// The address of the button.
pub(super) fn address(next: &str) -> String {
    match safe_next(next) {
        Some(next) => {
            let query = serde_html_form::to_string([("next", next)]).unwrap_or_default();
            format!("{BEGIN}?{query}")
        }
        None => BEGIN.to_owned(),
    }
}

async fn begin(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    Client(client): Client,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(asked) = asked?;
    let next = destination(&asked.next);
    match oidc::begin(&service, &session, client, next).await {
        Ok(url) => Ok(Redirect::to(&url).into_response()),
        Err(error) => Ok(Page::wrong(error).of(&service).await),
    }
}

async fn come_back(
    State(service): State<Arc<Service>>,
    Anyone(session): Anyone,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(answer) = answer?;
    match oidc::finish(&service, &session, answer).await {
        Ok(next) => Ok(Redirect::to(destination(&next)).into_response()),
        Err(error) => Ok(Page::wrong(error).of(&service).await),
    }
}
