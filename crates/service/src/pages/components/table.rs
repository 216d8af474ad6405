//! Tables, and the pages of long ones.

use maud::{Markup, html};

/// Which way a column is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pages) enum Sorted {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// The head of a column.
#[derive(Clone, Debug, Default)]
pub(in crate::pages) struct Column {
    label: String,
    right: bool,
    hidden: bool,
    sort: Option<(String, Option<Sorted>)>,
}

impl Column {
    /// A column of texts.
    pub(in crate::pages) fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            ..Self::default()
        }
    }

    /// A column of numbers.
    pub(in crate::pages) fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Its name is for screen readers only.
    pub(in crate::pages) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Its name is a link that sorts by it; `is` says how it is sorted now.
    pub(in crate::pages) fn sorts(mut self, href: String, is: Option<Sorted>) -> Self {
        self.sort = Some((href, is));
        self
    }

    fn head(&self) -> Markup {
        let is = self.sort.as_ref().and_then(|(_, is)| *is);
        let (aria, arrow) = match is {
            Some(Sorted::Ascending) => (Some("ascending"), "↑"),
            Some(Sorted::Descending) => (Some("descending"), "↓"),
            None => (None, ""),
        };
        html! {
            th scope="col" .right[self.right] aria-sort=[aria] {
                @match &self.sort {
                    Some((href, _)) => a href=(href) { (self.label) @if !arrow.is_empty() { span aria-hidden="true" { (arrow) } } },
                    None if self.hidden => span.visually-hidden { (self.label) },
                    None => (self.label),
                }
            }
        }
    }
}

/// A table in a box of its own that scrolls sideways and takes the focus. On a narrow screen its rows become blocks: each `td`
/// then shows its `data-label`. `rows` are `tr`s.
pub(in crate::pages) fn table(caption: &str, columns: &[Column], rows: &[Markup]) -> Markup {
    html! {
        div.table-box.stacks role="region" aria-label=(caption) tabindex="0" {
            table {
                caption.visually-hidden { (caption) }
                thead { tr { @for column in columns { (column.head()) } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// Where a long list goes on, and back to its first page.
pub(in crate::pages) fn pagination(text: &str, first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        nav.pagination aria-label="Pages" {
            span { (text) }
            span.buttons {
                @if let Some(first) = first { a.button.button-small href=(first) { "First page" } }
                @if let Some(next) = next { a.button.button-small href=(next) rel="next" { "Next page" } }
            }
        }
    }
}
