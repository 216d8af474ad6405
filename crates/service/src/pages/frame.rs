//! The frame of every page: head, navigation, notices, and the headers that say what a browser may do with it.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::visitor::{Membership, Visitor};

/// A page may use what this service serves, and nothing else; nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The parts of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Keys,
    Usage,
    Limits,
    Team,
    Alerts,
    Admin,
    Account,
}

/// What stands around a page's own part.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) section: Section,
    pub(super) visitor: &'a Visitor,
    /// The team that is looked at; `None` on pages about no team.
    pub(super) team: Option<&'a Membership>,
}

impl Frame<'_> {
    /// The whole page.
    pub(super) fn page(&self, body: Markup) -> Response {
        document(self.title, html! { main { h1 { (self.title) } (body) } })
    }
}

/// A page with its headers.
pub(super) fn document(title: &str, body: Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · GMTech" }
                link rel="stylesheet" href=(assets::address("style.css"));
                script src=(assets::address("app.js")) defer {}
            }
            body { (body) }
        }
    };
    let mut response = page.into_response();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
