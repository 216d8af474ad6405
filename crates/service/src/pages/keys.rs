//! A team's keys: the list, one key, a new one, and what is done with them.
//!
//! A key's text is in one answer only: that of the POST that has made it ([`secret`]).

mod address;
mod change;
mod draft;
mod edit;
mod example;
mod found;
mod list;
mod new;
mod row;
mod secret;
mod show;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::HOME;
use super::error::PageError;
use super::visitor::{Membership, Visitor};
use crate::error::ApiError;
use crate::ops::keys;
use crate::service::Service;
use crate::store::KeyInfo;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(HOME, get(list::show))
        .route("/users/api-keys/new", get(new::show).post(new::create))
        .route("/users/api-keys/{id}/", get(show::show))
        .route(
            "/users/api-keys/{id}/edit",
            get(edit::show).post(edit::save),
        )
        .route("/users/api-keys/{id}/suspend", post(change::suspend))
        .route("/users/api-keys/{id}/resume", post(change::resume))
        .route(
            "/users/api-keys/{id}/revoke",
            get(change::confirm_revoke).post(change::revoke),
        )
        .route("/users/api-keys/{id}/receipt", get(change::receipt))
        .route(
            "/users/api-keys/{id}/rotate",
            get(change::ask_rotate).post(change::rotate),
        )
}

/// Of a page about the keys of one team.
#[derive(Clone, Debug, Default, Deserialize)]
struct OfTeam {
    #[serde(default)]
    team: String,
}

/// A form that has nothing but its proof.
#[derive(Debug, Deserialize)]
struct Nothing {}

/// The key of an address, and its team.
async fn find<'v>(
    service: &Service,
    visitor: &'v Visitor,
    id: &str,
) -> Result<(KeyInfo, &'v Membership), PageError> {
    let found = keys::show(service, &visitor.caller, id).await;
    let key = match found {
        // An id that no key can have is one that no key has.
        Err(error) if error.status() == StatusCode::BAD_REQUEST => {
            return Err(PageError::not_found("key"));
        }
        found => found?,
    };
    let member = visitor.team(Some(key.record.team.as_str()))?;
    Ok((key, member))
}

/// As [`find`], for somebody who may change the key.
async fn find_to_change<'v>(
    service: &Service,
    visitor: &'v Visitor,
    id: &str,
) -> Result<(KeyInfo, &'v Membership), PageError> {
    let (key, member) = find(service, visitor, id).await?;
    visitor.caller.may_manage_key(&key)?;
    Ok((key, member))
}

/// Whether the visitor may make keys of this team.
fn may_make(visitor: &Visitor, member: &Membership) -> bool {
    let (caller, team) = (&visitor.caller, &member.team.id);
    caller.may_make_key(team, caller.usual_owner(team)).is_ok()
}

/// The page with the status of what was wrong with its form.
fn with_mistake(mut page: Response, mistake: Option<&ApiError>) -> Response {
    if let Some(mistake) = mistake {
        *page.status_mut() = match mistake.status() {
            StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
            status => status,
        };
    }
    page
}

/// A token that makes one form do its work once.
fn once() -> Result<String, ApiError> {
    let random = crate::secret::random::<16>();
    random
        .map(hex::encode)
        .map_err(|error| ApiError::internal(&error))
}
