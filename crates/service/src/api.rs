//! The management API, `/admin/v1`: its routes, and the OpenAPI description made from the same declarations.
//!
//! Handlers parse and render. The use-cases in [`crate::ops`] decide what may be done and what is recorded; [`crate::caller`] says
//! who calls. Every route but the description, the metrics and the health checks needs a token.

mod alerts;
mod audit;
mod credit;
mod description;
mod export;
mod invitations;
mod keys;
mod members;
mod metrics;
mod organization;
mod people;
mod prices;
mod proxies;
mod query;
mod requests;
mod restored;
mod shapes;
mod teams;
mod tiers;
mod tokens;
mod usage;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router, middleware};
use gmtech_core::ident::TierName;
use serde::Deserialize;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::authenticate::Listener;
use crate::detached::detached;
use crate::error::ApiError;
use crate::observe::observed;
use crate::ops::fields;
use crate::pages;
use crate::probes;
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
        .routes(routes!(members::list, members::put))
        .routes(routes!(members::remove))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::revoke))
        .routes(routes!(people::list))
        .routes(routes!(people::create_link))
        .routes(routes!(people::update, people::remove))
        .routes(routes!(people::sign_out))
        .routes(routes!(credit::add))
        .routes(routes!(credit::ledger))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::addresses, alerts::add))
        .routes(routes!(alerts::update, alerts::remove))
        .routes(routes!(alerts::rotate_secret))
        .routes(routes!(alerts::test))
        .routes(routes!(alerts::deliveries))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::me))
        .routes(routes!(audit::list))
        .routes(routes!(prices::show))
        .routes(routes!(proxies::list))
        .routes(routes!(tiers::create, tiers::list))
        .routes(routes!(tiers::show, tiers::update, tiers::remove))
        .routes(routes!(restored::list, restored::acknowledge))
        .routes(routes!(usage::query))
        .routes(routes!(requests::show))
        .routes(routes!(usage::import))
        .routes(routes!(organization::completions))
        .routes(routes!(organization::costs))
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
        let tiers = fields::tiers(&service).await?;
        Ok::<_, ApiError>(Json(description::complete(&declared, &tiers)))
    };
    let router = router
        .route_layer(middleware::from_fn_with_state(parameters, query::check))
        .route("/admin/v1/openapi.json", get(described))
        .merge(probes::routes())
        .merge(pages::routes(&service))
        .route("/metrics", get(metrics::page))
        .fallback(|| async { ApiError::not_found("URL") })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(service.clone(), detached))
        .with_state(service.clone());
    observed(router, service, Listener::Management)
}

/// The status of a creation: 200 if an earlier call had made it.
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
