//! People who sign in, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::List;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Body, Path};
use crate::ops::people::{self, CreateLink, Link, UpdatePerson};
use crate::service::Service;
use crate::store::Person;

#[utoipa::path(get, path = "/admin/v1/people", tag = "people", operation_id = "people",
    responses((status = 200, body = List<Person>), (status = "4XX", body = ErrorBody)))]
/// List the people who sign in.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<List<Person>>, ApiError> {
    Ok(Json(List::all(people::list(&service, &caller).await?)))
}

#[utoipa::path(post, path = "/admin/v1/people/links", tag = "people", operation_id = "create_sign_in_link", request_body = CreateLink,
    responses((status = 201, body = Link), (status = "4XX", body = ErrorBody)))]
/// Make a link that signs a person in, once, within an hour. The account is made when the link is used, if there is none.
pub(super) async fn create_link(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(asked): Body<CreateLink>,
) -> Result<(StatusCode, Json<Link>), ApiError> {
    let link = people::create_link(&service, &caller, asked).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

#[utoipa::path(patch, path = "/admin/v1/people/{email}", tag = "people", operation_id = "update_person",
    params(("email" = String, Path)), request_body = UpdatePerson,
    responses((status = 200, body = Person), (status = "4XX", body = ErrorBody)))]
/// Make a person an administrator, or take that away. The last one stays (409).
pub(super) async fn update(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(email): Path<String>,
    Body(asked): Body<UpdatePerson>,
) -> Result<Json<Person>, ApiError> {
    Ok(Json(
        people::update(&service, &caller, &email, asked).await?,
    ))
}

#[utoipa::path(delete, path = "/admin/v1/people/{email}", tag = "people", operation_id = "remove_person",
    params(("email" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// Remove an account and end its sessions. Memberships and keys stay. The last administrator stays (409).
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(email): Path<String>,
) -> Result<StatusCode, ApiError> {
    people::remove(&service, &caller, &email).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(delete, path = "/admin/v1/people/{email}/sessions", tag = "people", operation_id = "sign_out_person",
    params(("email" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody)))]
/// End all sessions of a person.
pub(super) async fn sign_out(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(email): Path<String>,
) -> Result<StatusCode, ApiError> {
    people::sign_out_everywhere(&service, &caller, &email).await?;
    Ok(StatusCode::NO_CONTENT)
}
