//! Forms that were sent: who may send them, and what is in them.
//!
//! Two checks stand before every change. A request that another site has made is refused by the headers that browsers send
//! ([`same_site`], for all pages). A form of a person who has signed in holds the session's `csrf` ([`Posted`]).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::PageError;
use super::visitor::session;
use crate::secret;
use crate::service::Service;
use crate::sessions::CSRF;

const FOREIGN: &str = "This form was sent by another site, or by an old page. Nothing was changed. Go back, reload the page, and try again.";

/// What a person who has signed in has sent by a form of ours.
pub(crate) struct Posted<T>(pub(crate) T);

/// What somebody who may not have signed in has sent by a form of ours.
pub(crate) struct PostedByAnyone<T>(pub(crate) T);

#[derive(Deserialize)]
struct Proof {
    #[serde(default)]
    csrf: String,
}

impl<T: DeserializeOwned> FromRequest<Arc<Service>> for Posted<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, PageError> {
        let (parts, body) = request.into_parts();
        let session = session(&parts)?;
        let expected: Option<String> = session.get(CSRF).await?;
        let bytes = bytes(Request::from_parts(parts, body), service).await?;
        let proof: Proof = read(&bytes)?;
        // Digests, so that the time tells nothing of how much was right.
        let proven = expected.is_some_and(|expected| {
            !expected.is_empty() && secret::digest(&expected) == secret::digest(&proof.csrf)
        });
        match proven {
            true => Ok(Self(read(&bytes)?)),
            false => Err(PageError::forbidden(FOREIGN)),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Service>> for PostedByAnyone<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, PageError> {
        Ok(Self(read(&bytes(request, service).await?)?))
    }
}

async fn bytes(request: Request, service: &Arc<Service>) -> Result<Bytes, PageError> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        let message = "Send this as a form (application/x-www-form-urlencoded).";
        return Err(PageError::shown(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        ));
    }
    let bytes = Bytes::from_request(request, service).await;
    bytes.map_err(|rejection| PageError::shown(rejection.status(), rejection.body_text()))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PageError> {
    serde_html_form::from_bytes(bytes).map_err(|error| {
        let message = format!("The form is not complete: {error}. Go back and try again.");
        PageError::shown(StatusCode::BAD_REQUEST, message)
    })
}

/// Refuses what another site makes a browser send. All pages stand behind it.
pub(super) async fn same_site(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let public = service.people.public_url.as_deref();
    if request.method().is_safe() || is_ours(request.headers(), public) {
        next.run(request).await
    } else {
        PageError::forbidden(FOREIGN).into_response()
    }
}

/// Whether a page of ours, or no browser at all, has made the request.
fn is_ours(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = text("origin") else {
        // Every browser sends one of the two with a form. Whatever sends neither has no cookies of a victim.
        return true;
    };
    match (public_url, origin.split_once("://")) {
        (Some(public), _) => origin.eq_ignore_ascii_case(public),
        (None, Some((_, host))) => text("host").is_some_and(|own| own.eq_ignore_ascii_case(host)),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_another_site_sends_is_not_ours() {
        let public = Some("https://gate.example");
        for (site, origin, public, ours) in [
            ("same-origin", "https://gate.example", public, true),
            ("none", "", public, true),
            ("", "", public, true),
            ("", "https://gate.example", public, true),
            ("", "http://gate.example", None, true),
            ("cross-site", "https://evil.example", public, false),
            ("cross-site", "https://gate.example", public, false),
            ("same-site", "https://other.gate.example", public, false),
            ("", "https://evil.example", public, false),
            ("", "https://evil.example", None, false),
            ("", "http://gate.example", public, false),
            ("", "null", public, false),
            ("", "null", None, false),
            ("", "https://gate.example.evil.example", public, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("host", "gate.example"),
                ("sec-fetch-site", site),
                ("origin", origin),
            ] {
                if !value.is_empty() {
                    headers.insert(
                        HeaderName::from_static(name),
                        HeaderValue::from_str(value).unwrap(),
                    );
                }
            }
            assert_eq!(
                is_ours(&headers, public),
                ours,
                "{site} {origin} {public:?}"
            );
        }
    }
}
