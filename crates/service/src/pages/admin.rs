//! Administration: teams, tiers, prices, tokens and proxies. Whoever administers nothing is answered 404.

mod prices;
mod proxies;
mod teams;
mod tiers;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::components::{Kind, breadcrumb, button, dialog_page, form, link_button};
use super::error::PageError;
use super::frame::{Frame, Section};
use super::visitor::Visitor;
use crate::error::ApiError;
use crate::service::Service;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .merge(teams::routes())
        .merge(tiers::routes())
        .merge(prices::routes())
        .merge(tokens::routes())
        .merge(proxies::routes())
}

/// Where the pages of administration are.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    Part::ALL.into_iter().map(Part::path)
}

/// A visitor who administers the service.
struct Admin(Visitor);

impl FromRequestParts<Arc<Service>> for Admin {
    type Rejection = PageError;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, PageError> {
        let visitor = Visitor::from_request_parts(parts, service).await?;
        match visitor.admin {
            true => Ok(Self(visitor)),
            false => Err(PageError::not_found("page")),
        }
    }
}

/// The pages of administration, in the order of their navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Teams,
    Tiers,
    Prices,
    Tokens,
    Proxies,
}

impl Part {
    const ALL: [Self; 5] = [
        Self::Teams,
        Self::Tiers,
        Self::Prices,
        Self::Tokens,
        Self::Proxies,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Teams => "Teams",
            Self::Tiers => "Tiers",
            Self::Prices => "Prices",
            Self::Tokens => "Tokens",
            Self::Proxies => "Proxies",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Teams => "/users/admin/teams/",
            Self::Tiers => "/users/admin/tiers/",
            Self::Prices => "/users/admin/prices/",
            Self::Tokens => "/users/admin/tokens/",
            Self::Proxies => "/users/admin/proxies/",
        }
    }

    /// Its own page, with buttons beside the heading.
    fn page(self, visitor: &Visitor, actions: Markup, body: Markup) -> Response {
        let navigation = html! {
            nav.sub-nav aria-label="Administration" {
                @for part in Self::ALL {
                    a href=(part.path()) aria-current=[(part == self).then_some("page")] { (part.label()) }
                }
            }
        };
        let body = html! { (navigation) (body) };
        frame(visitor, self.label()).page_with(actions, body)
    }

    /// A page under it. `mistake` gives the status: 422 for one in a field.
    fn under(
        self,
        visitor: &Visitor,
        title: &str,
        mistake: Option<&ApiError>,
        body: Markup,
    ) -> Response {
        let body = html! { (breadcrumb(&[(self.path(), self.label())], title)) (body) };
        let mut page = frame(visitor, title).page(body);
        if let Some(mistake) = mistake {
            *page.status_mut() = match mistake.status() {
                StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
                status => status,
            };
        }
        page
    }

    /// A page that asks whether to do what cannot be undone, and why it was not done.
    fn confirm(
        self,
        visitor: &Visitor,
        asked: &Question<'_>,
        mistake: Option<&ApiError>,
    ) -> Response {
        let answer = html! {
            div.buttons {
                (button(Kind::Danger, asked.verb))
                (link_button(Kind::Plain, self.path(), "Cancel"))
            }
        };
        let body = dialog_page(html! {
            @if let Some(mistake) = mistake {
                div class="notice notice-bad" role="alert" { (mistake.message()) }
            }
            p { (asked.text) }
            (form(visitor, asked.action, answer))
        });
        self.under(visitor, asked.title, mistake, body)
    }
}

/// What is asked before something is done that cannot be undone.
struct Question<'a> {
    title: &'a str,
    text: &'a str,
    /// What the button says.
    verb: &'a str,
    /// Where the answer goes.
    action: &'a str,
}

fn frame<'a>(visitor: &'a Visitor, title: &'a str) -> Frame<'a> {
    Frame {
        title,
        section: Section::Admin,
        visitor,
        team: None,
    }
}

/// A form without fields of its own.
#[derive(Deserialize)]
struct Nothing {}

/// A text that is not empty.
fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// Parts of an address's query, without those that are empty.
fn query(parts: &[(&str, &str)]) -> String {
    let given: Vec<_> = parts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    match serde_html_form::to_string(given) {
        Ok(query) if !query.is_empty() => format!("?{query}"),
        _ => String::new(),
    }
}
