//! A page as a document: its head and its body.

use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;

/// A page.
pub(super) fn document(title: &str, body: Markup) -> Response {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · GMTech" }
                link rel="icon" type="image/svg+xml" href=(assets::address("mark.svg"));
                link rel="stylesheet" href=(assets::address("style.css"));
                script src=(assets::address("app.js")) defer {}
            }
            body { (body) }
        }
    }
    .into_response()
}
