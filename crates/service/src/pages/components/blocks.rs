//! Blocks of a page: cards, lists, notices, tabs, empty states.

use maud::{Markup, html};

use super::Tone;

/// A part of a page with a heading.
pub(in crate::pages) fn card(heading: &str, body: Markup) -> Markup {
    html! { section.card { h2 { (heading) } (body) } }
}

/// Small cards beside one another.
pub(in crate::pages) fn cards(cards: &[Markup]) -> Markup {
    html! { ul.cards { @for card in cards { li { (card) } } } }
}

/// A number that deserves a look, for [`cards`]. With an address it is a link.
pub(in crate::pages) fn stat(tone: Tone, value: &str, label: &str, href: Option<&str>) -> Markup {
    let class = match tone {
        Tone::Warn => "stat stat-warn",
        Tone::Bad => "stat stat-bad",
        _ => "stat",
    };
    let body = html! { span.stat-value { (value) } span.stat-label { (label) } };
    match href {
        Some(href) => html! { a class=(class) href=(href) { (body) } },
        None => html! { div class=(class) { (body) } },
    }
}

/// Names and what they are of one thing.
pub(in crate::pages) fn definition_list(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl.definitions {
            @for (name, value) in rows { dt { (name) } dd { (value) } }
        }
    }
}

/// Something that the visitor should read.
pub(in crate::pages) fn notice(tone: Tone, body: Markup) -> Markup {
    let (class, role) = match tone {
        Tone::Good => ("notice notice-good", "status"),
        Tone::Warn => ("notice notice-warn", "note"),
        Tone::Bad => ("notice notice-bad", "alert"),
        _ => ("notice", "note"),
    };
    html! { div class=(class) role=(role) { (body) } }
}

/// What stands where a list has nothing: what it is about, and what to do.
pub(in crate::pages) fn empty_state(heading: &str, text: &str, action: Markup) -> Markup {
    html! {
        div.empty { h2 { (heading) } p { (text) } (action) }
    }
}

/// A page that asks one question: text, then a form with its buttons.
pub(in crate::pages) fn dialog_page(body: Markup) -> Markup {
    html! { div.card.dialog { (body) } }
}

/// The way to this page: addresses with their names, then the page's own name.
pub(in crate::pages) fn breadcrumb(way: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav.breadcrumb aria-label="Breadcrumb" {
            @for (href, name) in way { a href=(href) { (name) } span aria-hidden="true" { "/" } }
            span aria-current="page" { (here) }
        }
    }
}

/// One tab.
pub(in crate::pages) struct Tab<'a> {
    /// What its id begins with; unique on the page.
    pub(in crate::pages) id: &'a str,
    /// What it is called.
    pub(in crate::pages) label: &'a str,
    /// What it shows.
    pub(in crate::pages) body: Markup,
}

/// Tabs that work without script: radio buttons, of which the first is chosen. `group` names them together.
pub(in crate::pages) fn tabs(group: &str, label: &str, tabs: &[Tab<'_>]) -> Markup {
    html! {
        div.tabs role="group" aria-label=(label) {
            @for (place, tab) in tabs.iter().enumerate() {
                input type="radio" name=(group) id={ (group) "-" (tab.id) } checked[place == 0];
                label for={ (group) "-" (tab.id) } { (tab.label) }
                div.tab-panel { (tab.body) }
            }
        }
    }
}
