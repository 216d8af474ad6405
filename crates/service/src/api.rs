//! The management API, `/admin/v1`: its routes, and the OpenAPI description made from the same declarations.
//!
//! Handlers parse and render. What may be done, by whom and what is recorded of it is in [`crate::ops`]; who calls is told
//! by [`crate::caller`]. Every route but the description, the metrics and the health checks needs a token.

mod audit;
mod description;
mod export;
mod keys;
mod query;
mod restored;
mod shapes;
mod teams;
mod tokens;
mod usage;
pub mod views;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router, middleware};
use gmtech_core::ident::TierName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::authenticate::Listener;
use crate::detached::detached;
use crate::error::ApiError;
use crate::health;
use crate::json;
use crate::metrics;
use crate::observe::observed;
use crate::service::Service;
use crate::store::{Page, PageRequest};

/// The largest request body, in bytes. An import of usage is sent in parts below it.
const MAX_BODY: usize = 4 << 20;

/// The most items on a page, and how many there are by default.
const MAX_PAGE: u32 = 500;
const DEFAULT_PAGE: u32 = 50;

fn described() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(description::Description::openapi())
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::create_batch))
        .routes(routes!(keys::show, keys::update))
        .routes(routes!(keys::suspend))
        .routes(routes!(keys::resume))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(teams::create, teams::list))
        .routes(routes!(teams::show, teams::update))
        .routes(routes!(teams::close))
        .routes(routes!(teams::members, teams::put_member))
        .routes(routes!(teams::remove_member))
        .routes(routes!(teams::credit))
        .routes(routes!(teams::ledger))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::me))
        .routes(routes!(audit::audit))
        .routes(routes!(audit::proxies))
        .routes(routes!(audit::tiers))
        .routes(routes!(restored::list, restored::acknowledge))
        .routes(routes!(usage::query))
        .routes(routes!(usage::request))
        .routes(routes!(usage::import))
}

/// The OpenAPI description of a service with these tiers.
#[must_use]
pub fn openapi(tiers: &[TierName]) -> serde_json::Value {
    description::complete(&described().into_openapi(), tiers)
}

/// The management listener's routes.
pub fn app(service: Arc<Service>) -> Router {
    let (router, declared) = described().split_for_parts();
    let parameters = Arc::new(query::Declared::of(&declared));
    let described = move |State(service): State<Arc<Service>>| async move {
        Json(description::complete(&declared, &service.tiers()))
    };
    let router = router
        .route_layer(middleware::from_fn_with_state(parameters, query::check))
        .route("/admin/v1/openapi.json", get(described))
        .merge(health::routes())
        .route("/metrics", get(metrics::page))
        .fallback(|| async { ApiError::not_found("URL") })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(service.clone(), detached))
        .with_state(service.clone());
    observed(router, service, Listener::Management)
}

/// A JSON body whose mistakes are refused in the OpenAI shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(value) = Json::from_request(request, state).await?;
        json::read(value).map(Self).map_err(ApiError::json)
    }
}

/// A JSON list of what others have written: each item is judged alone, so that one cannot refuse the others.
pub(crate) struct Foreign(pub(crate) Vec<serde_json::Value>);

impl<S: Send + Sync> FromRequest<S> for Foreign {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(items) = Json::from_request(request, state).await?;
        Ok(Self(items))
    }
}

/// A query string, likewise.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// A path, likewise.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// The `Idempotency-Key` header, if there is one.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> axum::extract::FromRequestParts<S> for IdempotencyKey {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get("idempotency-key");
        // What is no text becomes one that no use-case takes.
        Ok(Self(value.map(|v| v.to_str().unwrap_or("").to_owned())))
    }
}

/// How a creation is answered, that an earlier call may have made.
fn created(replayed: bool) -> StatusCode {
    match replayed {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// What the page before gave as `next`.
    after: Option<String>,
    /// At most this many, 1 to 500; 50 by default.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

impl PageParams {
    fn request(self) -> Result<PageRequest, ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(ApiError::invalid(
                "limit",
                format!("limit must be 1 to {MAX_PAGE}."),
            ));
        }
        Ok(PageRequest {
            after: self.after,
            limit,
        })
    }
}

/// One page of a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// Always `list`.
    object: &'static str,
    /// What is on it.
    data: Vec<T>,
    /// Where the next page starts; null on the last.
    next: Option<String>,
}

impl<T> List<T> {
    fn all(data: Vec<T>) -> Self {
        Self {
            object: "list",
            data,
            next: None,
        }
    }
}

impl<T, U: From<T>> From<Page<T>> for List<U> {
    fn from(page: Page<T>) -> Self {
        Self {
            object: "list",
            data: page.items.into_iter().map(U::from).collect(),
            next: page.next,
        }
    }
}
