//! Addresses under `/users/` that no page has: what people see who mistype one.

use std::sync::Arc;

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use gmtech_core::ident::KeyId;

use super::error::PageError;
use super::frame::Section;
use super::{HOME, ROOT, SIGN_IN, admin};
use crate::service::Service;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(ROOT.trim_end_matches('/'), any(nowhere))
        .route("/users/{*rest}", any(nowhere))
}

async fn nowhere(OriginalUri(asked): OriginalUri) -> Response {
    match completed(&asked) {
        Some(to) => Redirect::permanent(&to).into_response(),
        None => PageError::not_found("page").into_response(),
    }
}

/// The page's address where only the slash at its end is missing.
fn completed(asked: &Uri) -> Option<String> {
    let whole = format!("{}/", asked.path());
    let mut pages = Section::ALL
        .map(Section::path)
        .into_iter()
        .chain(admin::paths())
        .chain([ROOT, SIGN_IN]);
    let query = asked.query().map(|query| format!("?{query}"));
    let key = asked.path().strip_prefix(HOME);
    let is_key = key.is_some_and(|id| KeyId::new(id).is_ok());
    (is_key || pages.any(|page| page == whole))
        .then(|| whole + query.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_slash_is_added_to_pages_only() {
        for (asked, to) in [
            ("/users/api-keys", Some("/users/api-keys/")),
            (
                "/users/usage?team=a&by=key",
                Some("/users/usage/?team=a&by=key"),
            ),
            ("/users/admin/tiers", Some("/users/admin/tiers/")),
            ("/users", Some("/users/")),
            ("/users/sign-in", Some("/users/sign-in/")),
            ("/users/nothing", None),
            ("/users/nothing/", None),
            ("/users//evil.example", None),
        ] {
            assert_eq!(completed(&asked.parse().unwrap()).as_deref(), to, "{asked}");
        }
    }
}
