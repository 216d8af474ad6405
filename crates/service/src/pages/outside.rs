//! What stands around pages for people who have not signed in, and the fields of their forms.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::document::document;
use crate::error::ApiError;

/// A page with one card in the middle.
pub(super) fn page(status: StatusCode, title: &str, body: Markup) -> Response {
    let body = html! {
        main id="main" class="outside" {
            div class="card" {
                h1 { (title) }
                (body)
            }
        }
    };
    let mut page = document(title, body);
    *page.status_mut() = status;
    page
}

/// What is wrong with a form: beside its field, or above it.
#[derive(Default)]
pub(super) struct Wrong(Option<ApiError>);

impl Wrong {
    /// The status of the form's page; a mistake in a field is 422.
    pub(super) fn status(&self) -> StatusCode {
        match self.0.as_ref().map(ApiError::status) {
            None => StatusCode::OK,
            Some(StatusCode::BAD_REQUEST) => StatusCode::UNPROCESSABLE_ENTITY,
            Some(status) => status,
        }
    }

    fn of(&self, name: &str) -> Option<&str> {
        let error = self.0.as_ref()?;
        (error.param() == Some(name)).then(|| error.message())
    }

    /// What is wrong with none of `fields`, to stand above the form.
    pub(super) fn above(&self, fields: &[&str]) -> Markup {
        let error = self
            .0
            .as_ref()
            .filter(|e| e.param().is_none_or(|param| !fields.contains(&param)));
        html! {
            @if let Some(error) = error {
                p class="notice notice-bad" role="alert" { (error.message()) }
            }
        }
    }
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self(Some(error))
    }
}

/// A field of a form.
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    /// The input's type.
    pub(super) kind: &'a str,
    /// What browsers and password managers may put in.
    pub(super) autocomplete: &'a str,
    pub(super) value: &'a str,
    pub(super) hint: &'a str,
    pub(super) required: bool,
}

impl Input<'_> {
    /// The field with its label, hint and mistake.
    pub(super) fn show(&self, wrong: &Wrong) -> Markup {
        let error = wrong.of(self.name);
        let hint_id = format!("{}-hint", self.name);
        let error_id = format!("{}-error", self.name);
        let mut described = Vec::new();
        if !self.hint.is_empty() {
            described.push(hint_id.as_str());
        }
        if error.is_some() {
            described.push(error_id.as_str());
        }
        let described = (!described.is_empty()).then(|| described.join(" "));
        html! {
            div class="field" {
                label for=(self.name) { (self.label) }
                input id=(self.name) name=(self.name) type=(self.kind) autocomplete=(self.autocomplete)
                    value=[Some(self.value).filter(|v| !v.is_empty())] required[self.required]
                    aria-describedby=[described.as_deref()] aria-invalid=[error.map(|_| "true")];
                @if !self.hint.is_empty() { p class="hint" id=(hint_id) { (self.hint) } }
                @if let Some(error) = error { p class="error" id=(error_id) { (error) } }
            }
        }
    }
}
