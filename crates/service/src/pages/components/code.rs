//! Code to copy.

use maud::{Markup, html};

/// A button that copies the text, or the value, of the element `of`. It is shown only where scripts run.
fn copy_button(of: &str, label: &str) -> Markup {
    html! {
        button.copy.button.button-small type="button" data-copy=(of) aria-label=(label) { "Copy" }
    }
}

/// Lines of code with a button that copies them. `id` is unique on the page; `label` says what it is.
pub(in crate::pages) fn code_block(id: &str, label: &str, code: &str) -> Markup {
    let copy = format!("Copy: {label}");
    html! {
        div.code-block {
            pre tabindex="0" role="region" aria-label=(label) { code id=(id) { (code) } }
            (copy_button(id, &copy))
        }
    }
}
