//! Forms and their fields.

use maud::{Markup, html};

use crate::error::ApiError;
use crate::pages::visitor::Visitor;

/// How much a button weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) enum Kind {
    /// What the page is for; at most one on a page.
    Primary,
    /// Anything else.
    Plain,
    /// What cannot be undone.
    Danger,
    /// What is seldom wanted.
    Quiet,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "button button-primary",
            Self::Plain => "button",
            Self::Danger => "button button-danger",
            Self::Quiet => "button button-quiet",
        }
    }
}

/// A form that changes something, with the proof that a page of this session has made it.
pub(in crate::pages) fn form(visitor: &Visitor, action: &str, body: Markup) -> Markup {
    html! {
        form.form method="post" action=(action) {
            input type="hidden" name="csrf" value=(visitor.csrf);
            (body)
        }
    }
}

/// The button that sends its form. `text` is a verb.
pub(in crate::pages) fn button(kind: Kind, text: &str) -> Markup {
    html! { button type="submit" class=(kind.class()) { (text) } }
}

/// A link that looks like a button.
pub(in crate::pages) fn link_button(kind: Kind, href: &str, text: &str) -> Markup {
    html! { a class=(kind.class()) href=(href) { (text) } }
}

/// One line of text: an input with its label, hint and mistake.
#[derive(Clone, Copy, Debug)]
pub(in crate::pages) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'a str,
    value: &'a str,
    hint: &'a str,
    placeholder: &'a str,
    autocomplete: &'a str,
    required: bool,
    plain: bool,
    wide: bool,
}

impl<'a> Field<'a> {
    /// An optional text.
    pub(in crate::pages) fn new(name: &'a str, label: &'a str) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value: "",
            hint: "",
            placeholder: "",
            autocomplete: "off",
            required: false,
            plain: false,
            wide: false,
        }
    }

    /// The input's type, such as `email`.
    pub(in crate::pages) fn kind(mut self, kind: &'a str) -> Self {
        self.kind = kind;
        self
    }

    /// What stands in it.
    pub(in crate::pages) fn value(mut self, value: &'a str) -> Self {
        self.value = value;
        self
    }

    /// What is said under the label.
    pub(in crate::pages) fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }

    /// What stands in it while it is empty: the default.
    pub(in crate::pages) fn placeholder(mut self, placeholder: &'a str) -> Self {
        self.placeholder = placeholder;
        self
    }

    /// It may not stay empty.
    pub(in crate::pages) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A filter of a list: nobody says that it is optional.
    pub(in crate::pages) fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// It takes more room than its neighbours.
    pub(in crate::pages) fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The field. `mistake` is shown if it is about this one.
    pub(in crate::pages) fn show(self, mistake: Option<&ApiError>) -> Markup {
        let about = Around::new(self.name, self.hint, mistake);
        let optional = !(self.required || self.plain);
        let input = html! {
            input id=(self.name) name=(self.name) type=(self.kind) value=(self.value) autocomplete=(self.autocomplete)
                placeholder=[(!self.placeholder.is_empty()).then_some(self.placeholder)] required[self.required]
                aria-describedby=[about.described()] aria-invalid=[about.invalid()];
        };
        about.field(self.label, optional, self.wide, input)
    }
}

/// One of several: each choice is a value and what is shown of it.
pub(in crate::pages) fn select(
    name: &str,
    label: &str,
    choices: &[(&str, &str)],
    chosen: &str,
    hint: &str,
    mistake: Option<&ApiError>,
) -> Markup {
    let about = Around::new(name, hint, mistake);
    let input = html! {
        select id=(name) name=(name) aria-describedby=[about.described()] aria-invalid=[about.invalid()] {
            @for (value, text) in choices {
                option value=(value) selected[*value == chosen] { (text) }
            }
        }
    };
    about.field(label, false, false, input)
}

/// Several lines of text.
pub(in crate::pages) fn textarea(
    name: &str,
    label: &str,
    value: &str,
    hint: &str,
    mistake: Option<&ApiError>,
) -> Markup {
    let about = Around::new(name, hint, mistake);
    let input = html! {
        textarea id=(name) name=(name) rows="3" spellcheck="false" aria-describedby=[about.described()]
            aria-invalid=[about.invalid()] { (value) }
    };
    about.field(label, true, false, input)
}

/// What is wrong with a form as a whole, above it: a mistake beside none of these fields, or where to look for the one that is.
pub(in crate::pages) fn mistakes(fields: &[&str], mistake: Option<&ApiError>) -> Markup {
    let field = mistake.and_then(|of| fields.iter().find(|field| of.param() == Some(field)));
    html! {
        @match (mistake, field) {
            (Some(of), Some(field)) => {
                div class="notice notice-bad" role="alert" {
                    "Nothing was saved. " a href={ "#" (field) } { (of.message()) }
                }
            }
            (Some(of), None) => { div class="notice notice-bad" role="alert" { (of.message()) } }
            (None, _) => {}
        }
    }
}

/// What stands around an input: its label, hint and mistake, and the ids that tie them to it.
struct Around<'a> {
    name: &'a str,
    hint: &'a str,
    message: Option<&'a str>,
}

impl<'a> Around<'a> {
    fn new(name: &'a str, hint: &'a str, mistake: Option<&'a ApiError>) -> Self {
        Self {
            name,
            hint,
            message: mistake
                .filter(|of| of.param() == Some(name))
                .map(ApiError::message),
        }
    }

    fn invalid(&self) -> Option<&'static str> {
        self.message.map(|_| "true")
    }

    fn described(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let error = self.message.map(|_| format!("{}-error", self.name));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn field(&self, label: &str, optional: bool, wide: bool, input: Markup) -> Markup {
        html! {
            div.field.wide[wide] {
                label for=(self.name) {
                    (label)
                    @if optional { " " span.optional { "optional" } }
                }
                (input)
                @if let Some(message) = self.message { p.error id={ (self.name) "-error" } { (message) } }
                @if !self.hint.is_empty() { p.hint id={ (self.name) "-hint" } { (self.hint) } }
            }
        }
    }
}
