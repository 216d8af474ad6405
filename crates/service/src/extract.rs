//! What handlers take out of a request. Mistakes are refused in the OpenAI shape.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::json;

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
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(crate) struct Query<T>(pub(crate) T);

/// A path, likewise.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(crate) struct Path<T>(pub(crate) T);

/// The `Idempotency-Key` header, if there is one.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get("idempotency-key");
        // What is no text becomes one that no use-case takes.
        Ok(Self(value.map(|v| v.to_str().unwrap_or("").to_owned())))
    }
}
