//! The form that finds one request's record.

use maud::{Markup, html};

use crate::error::ApiError;

/// Where records are shown.
pub(in crate::pages) const ROOT: &str = "/users/requests/";

/// The form that finds a request.
pub(in crate::pages) fn lookup(
    team: Option<&str>,
    id: Option<&str>,
    mistake: Option<&ApiError>,
) -> Markup {
    html! {
        section.card aria-labelledby="request-title" {
            h2 id="request-title" { "Find a request" }
            form.filters method="get" action=(ROOT) {
                @if let Some(team) = team { input type="hidden" name="team" value=(team); }
                div.field.wide {
                    label for="request-id" { "Request id" }
                    input id="request-id" name="id" type="text" required maxlength="128" autocomplete="off" spellcheck="false"
                        value=[id] aria-describedby={ "request-hint" @if mistake.is_some() { " request-error" } };
                }
                div.buttons { button.button type="submit" { "Find" } }
            }
            p.hint id="request-hint" { "The answer's header " code { "x-request-id" } ", which is in the access log too." }
            @if let Some(mistake) = mistake {
                div.notice.notice-bad id="request-error" role="alert" { (mistake.message()) }
            }
        }
    }
}
