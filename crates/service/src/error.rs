//! Errors of both listeners, in OpenAI's shape.
//!
//! The caller gets a fixed sentence and, where it can act on it, what was wrong; a failure's cause is logged and
//! never sent.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gmtech_core::key::redact;
use serde::Serialize;

use crate::store::StoreError;

/// The code of a change that may have been made.
const UNCONFIRMED: &str = "store_unconfirmed";

/// A refusal.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
}

/// The JSON of a refusal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// The refusal.
    pub error: ErrorDetail,
}

/// What a refusal says.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ErrorDetail {
    /// For a person to read.
    pub message: String,
    /// `invalid_request_error` or `server_error`.
    pub r#type: &'static str,
    /// The field that is wrong.
    pub param: Option<String>,
    /// For a program to read.
    pub code: &'static str,
}

impl ApiError {
    fn request(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: "invalid_request_error",
            code,
            param: None,
            // A caller who has put a key in a wrong place must not find it in an error, or in a log of errors.
            message: redact(&message.into()),
        }
    }

    /// 400: a field is not what it must be.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let mut error = Self::request(StatusCode::BAD_REQUEST, "invalid_value", message);
        error.param = Some(param.into());
        error
    }

    /// 400: a body that is JSON, and not what is asked for.
    pub fn json(message: String) -> Self {
        Self::request(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("The body is not what it must be: {message}."),
        )
    }

    /// 400: a query string that is not what is asked for.
    pub fn query(message: String) -> Self {
        Self::request(StatusCode::BAD_REQUEST, "invalid_query", message)
    }

    /// 401: no token, or one that is not valid.
    pub fn unauthorized(message: &str) -> Self {
        Self::request(StatusCode::UNAUTHORIZED, "invalid_token", message)
    }

    /// 403: the token does not allow it.
    pub fn forbidden(message: &str) -> Self {
        Self::request(StatusCode::FORBIDDEN, "permission_denied", message)
    }

    /// 404: there is no such thing, or none that this token may see.
    pub fn not_found(what: &str) -> Self {
        Self::request(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("There is no such {what}."),
        )
    }

    /// The same, with the field that is wrong.
    #[must_use]
    pub fn of(mut self, param: &str) -> Self {
        self.param = Some(param.into());
        self
    }

    /// 404: there is no page that begins there.
    pub fn no_page() -> Self {
        Self::missing(
            "There is no such page: after must be what the page before gave as next, with the same filters and order.",
        )
        .of("after")
    }

    /// 404, with a message that says why there is none.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::request(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 401: no account has this address and this password.
    pub(crate) fn wrong_password() -> Self {
        Self::request(
            StatusCode::UNAUTHORIZED,
            "wrong_password",
            "This address and this password do not fit together.",
        )
        .of("password")
    }

    /// 429.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::request(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message)
    }

    /// 503: a session cannot be read or written; the cause was logged.
    pub(crate) fn session(error: &tower_sessions::session::Error) -> Self {
        tracing::debug!(cause = %error, "a session failed");
        Self {
            kind: "server_error",
            ..Self::request(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "The database does not answer. Nothing was changed; try again.",
            )
        }
    }

    /// The status that answers it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, for a person to read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The field that is wrong.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// 503: not now; the same can be asked again at once.
    pub fn busy(message: &str) -> Self {
        Self {
            kind: "server_error",
            ..Self::request(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
        }
    }

    /// 405.
    pub fn method() -> Self {
        Self::request(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This URL has no such method.",
        )
    }

    /// 500: something of this machine failed; the cause is logged.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(cause = %cause, "internal error");
        Self {
            kind: "server_error",
            ..Self::request(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "The service failed.",
            )
        }
    }
}

impl ApiError {
    /// Whether the caller's request is what was wrong.
    #[must_use]
    pub(crate) fn is_the_callers(&self) -> bool {
        self.status.is_client_error()
    }

    /// The JSON of the answer.
    #[must_use]
    pub(crate) fn to_json(&self) -> String {
        // Texts always serialise.
        serde_json::to_string(&self.body()).unwrap_or_default()
    }

    fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                message: self.message.clone(),
                r#type: self.kind,
                param: self.param.clone(),
                code: self.code,
            },
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::NotAMember(_) => Self::request(
                StatusCode::CONFLICT,
                "conflict",
                format!("Not done: {error}."),
            )
            .of("owner"),
            StoreError::LastOwner => Self::request(
                StatusCode::CONFLICT,
                "conflict",
                format!("Not done: {error}."),
            )
            .of("role"),
            StoreError::Conflict(why) => Self::request(
                StatusCode::CONFLICT,
                "conflict",
                format!("Not done: {why}."),
            ),
            StoreError::Refused(refusal) => {
                let mut error = Self::forbidden(&refusal.message);
                error.param = Some(refusal.field.into());
                error
            }
            StoreError::BadCursor => Self::no_page(),
            StoreError::Corrupt(_) => Self::internal(&error),
            StoreError::Unavailable(cause) => {
                tracing::error!(cause = %cause, "the store failed");
                Self {
                    kind: "server_error",
                    ..Self::request(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "store_unavailable",
                        "The database does not answer. Nothing was changed; try again.",
                    )
                }
            }
            StoreError::Unconfirmed(cause) => {
                tracing::error!(cause = %cause, "the store did not confirm a change");
                Self {
                    kind: "server_error",
                    ..Self::request(
                        StatusCode::SERVICE_UNAVAILABLE,
                        UNCONFIRMED,
                        "The database did not confirm the change: it may have been made. Look before you try again, \
                         or repeat the request with the same Idempotency-Key.",
                    )
                }
            }
        }
    }
}

macro_rules! from_rejection {
    ($($rejection:ty => $code:literal),*) => {$(
        impl From<$rejection> for ApiError {
            fn from(rejection: $rejection) -> Self {
                Self::request(rejection.status(), $code, rejection.body_text())
            }
        }
    )*};
}
from_rejection!(JsonRejection => "invalid_json", QueryRejection => "invalid_query", PathRejection => "invalid_path", BytesRejection => "invalid_body");

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == UNCONFIRMED {
            // OpenAI's clients repeat a 503 by themselves unless told not to.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
