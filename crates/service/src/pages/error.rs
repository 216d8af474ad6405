//! Errors as pages. Whoever has to sign in is sent there.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use super::document::document;
use super::{HOME, ROOT, SIGN_IN};
use crate::error::ApiError;
use crate::store::StoreError;

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// A page that says what is wrong.
    Shown {
        /// The status.
        status: StatusCode,
        /// What is wrong, for the visitor to read.
        message: String,
    },
    /// The visitor has to sign in, and comes back to this address.
    SignIn(Option<String>),
}

impl PageError {
    /// 404: there is no such thing, or none that this visitor may see.
    pub(crate) fn not_found(what: &str) -> Self {
        ApiError::not_found(what).into()
    }

    /// 403.
    pub(crate) fn forbidden(message: &str) -> Self {
        Self::shown(StatusCode::FORBIDDEN, message)
    }

    /// 503: the database does not answer.
    pub(crate) fn unavailable() -> Self {
        Self::shown(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer. Nothing was changed; try again in a moment.",
        )
    }

    /// 404: the visitor has no team to look at.
    pub(crate) fn no_team(admin: bool) -> Self {
        let message = match admin {
            true => "There is no team yet. Make one under Admin, Teams.",
            false => {
                "You are a member of no team yet. Ask an owner of your team for an invitation."
            }
        };
        Self::shown(StatusCode::NOT_FOUND, message)
    }

    /// 405: a form is sent there, and nothing is shown.
    pub(crate) fn only_a_form() -> Self {
        let message =
            "There is no page at this address: a form is sent there. Nothing was changed.";
        Self::shown(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// To the sign-in page, and back to what this request asks for.
    pub(crate) fn sign_in(parts: &Parts) -> Self {
        let back = parts.uri.path_and_query().map(|to| to.as_str().to_owned());
        Self::SignIn(back.filter(|_| parts.method == Method::GET))
    }

    /// A page with this status and message.
    pub(crate) fn shown(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Shown {
            status,
            message: message.into(),
        }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self::shown(error.status(), error.message())
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<tower_sessions::session::Error> for PageError {
    fn from(_: tower_sessions::session::Error) -> Self {
        // The cause was logged where it arose.
        Self::unavailable()
    }
}

impl From<PathRejection> for PageError {
    fn from(_: PathRejection) -> Self {
        Self::not_found("page")
    }
}

impl From<QueryRejection> for PageError {
    fn from(rejection: QueryRejection) -> Self {
        Self::shown(
            StatusCode::BAD_REQUEST,
            format!("This address is not complete: {}.", rejection.body_text()),
        )
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(back) => Redirect::to(&sign_in_address(back.as_deref())).into_response(),
            Self::Shown { status, message } => {
                let title = title(status);
                let mut page = document(
                    title,
                    html! {
                        main id="main" class="error-page" {
                            h1 { (title) }
                            p { (message) }
                            p { a href=(HOME) { "Back to API Keys" } }
                        }
                    },
                );
                *page.status_mut() = status;
                page
            }
        }
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::CONFLICT => "Not done",
        StatusCode::SERVICE_UNAVAILABLE => "Not available",
        status if status.is_server_error() => "Something failed",
        _ => "This did not work",
    }
}

/// The sign-in page that leads back to `next`.
pub(super) fn sign_in_address(next: Option<&str>) -> String {
    match next.and_then(safe_next) {
        Some(next) if next != HOME => {
            let query = serde_html_form::to_string([("next", next)]).unwrap_or_default();
            format!("{SIGN_IN}?{query}")
        }
        _ => SIGN_IN.to_owned(),
    }
}

/// `next` if it is an address of a page of this service, and nothing that leads elsewhere.
pub(super) fn safe_next(next: &str) -> Option<&str> {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let ours = path.starts_with(ROOT) && !path.contains("//") && !path.contains("..");
    (plain && ours && !path.starts_with(SIGN_IN) && next.len() <= 2_000).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_pages_are_gone_back_to() {
        for (next, safe) in [
            ("/users/api-keys/", true),
            ("/users/usage/?team=acme&range=7d", true),
            ("/users/usage/?from=http://evil.example/", true),
            ("", false),
            ("/", false),
            ("//evil.example/users/", false),
            ("/users//evil.example", false),
            ("https://evil.example/users/", false),
            ("/\\evil.example", false),
            ("/users/\\evil.example", false),
            ("/users/../admin/v1/keys", false),
            ("/users/\r\nLocation: x", false),
            ("/users/ x", false),
            ("javascript:alert(1)", false),
            ("/users/sign-in/?next=/users/", false),
        ] {
            assert_eq!(safe_next(next).is_some(), safe, "{next:?}");
        }
    }
}
