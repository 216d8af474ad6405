//! Refusals in the shapes of the three APIs.

use axum::http::Method;
use serde_json::{Value, json};

use crate::family::Family;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: u16,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub param: Option<String>,
    pub message: String,
}

impl Failure {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: String) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message,
        }
    }

    /// 400: the request is invalid; `param` names the field, if it is known.
    pub(crate) fn invalid(message: &str, param: Option<&str>) -> Self {
        Self {
            param: param.map(str::to_owned),
            ..Self::new(400, "invalid_request_error", None, message.to_owned())
        }
    }

    /// 404: unknown path.
    pub(crate) fn unknown_url(method: &Method, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self::new(404, "invalid_request_error", Some("unknown_url"), message)
    }

    /// 405: the path does not accept the method.
    pub(crate) fn method(method: &Method, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        Self::new(
            405,
            "invalid_request_error",
            Some("method_not_supported"),
            message,
        )
    }

    /// 404: no stored object has that id.
    pub(crate) fn unknown_object(id: &str) -> Self {
        let message = format!("No object found with id '{id}'.");
        Self::new(404, "invalid_request_error", None, message)
    }

    /// 404: unknown model.
    pub(crate) fn unknown_model(id: &str) -> Self {
        let message = format!("The model '{id}' does not exist or you do not have access to it.");
        Self {
            param: Some("model".into()),
            ..Self::new(
                404,
                "invalid_request_error",
                Some("model_not_found"),
                message,
            )
        }
    }

    /// 422: a strict validator's answer to an unknown field.
    pub(crate) fn extra_field(field: &str) -> Self {
        let message = format!("Extra inputs are not permitted: '{field}'");
        Self {
            param: Some(field.to_owned()),
            ..Self::new(422, "invalid_request_error", None, message)
        }
    }

    /// A provider's usual error for `status`.
    pub(crate) fn server(status: u16) -> Self {
        let (kind, code, message) = match status {
            401 => (
                "invalid_request_error",
                Some("invalid_api_key"),
                "Incorrect API key provided to the mock.",
            ),
            403 => (
                "invalid_request_error",
                Some("model_not_found"),
                "The mock's project has no access to the model.",
            ),
            404 => (
                "invalid_request_error",
                Some("model_not_found"),
                "The mock does not have that model.",
            ),
            413 => (
                "invalid_request_error",
                None,
                "Request too large for the mock.",
            ),
            429 => (
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached at the mock. Please try again in 1s.",
            ),
            400..=499 => (
                "invalid_request_error",
                None,
                "The mock refuses the request, as its directives say.",
            ),
            503 => (
                "server_error",
                Some("overloaded"),
                "The mock is currently overloaded. Please try again later.",
            ),
            _ => (
                "server_error",
                None,
                "The mock had an error while processing your request.",
            ),
        };
        Self::new(status, kind, code, message.to_owned())
    }

    /// The body in the shape of an API.
    pub(crate) fn body(&self, family: Family) -> Value {
        match family {
            Family::OpenAi => json!({"error": {
                "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
            }}),
            Family::Anthropic => json!({"type": "error", "error": {
                "type": anthropic_kind(self.status), "message": self.message,
            }}),
            Family::Gemini => json!({"error": {
                "code": self.status, "message": self.message, "status": google_status(self.status),
            }}),
        }
    }
}

fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
