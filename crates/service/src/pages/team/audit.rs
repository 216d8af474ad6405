//! The team's audit log, with filters in the address.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OfTeam, Part, mistake, page, team};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::audit::{self, AskAudit};
use crate::pages::components::{
    Column, Field, Kind, button, empty_state, link_button, mistakes, money, pagination, table, time,
};
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::{AuditEntry, Page, PageRequest};

const PATH: &str = "/users/team/audit";

/// Entries on a page.
const ROWS: u32 = 25;

/// How many characters of a value are shown; `gmtech audit` and the API have all of it.
const SHOWN: usize = 160;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(PATH, get(show))
}

/// The filters as they were typed; empty is none.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Filters {
    team: String,
    actor: String,
    action: String,
    subject: String,
    from: String,
    to: String,
    #[serde(skip_serializing)]
    after: String,
}

async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: OfTeam,
    Query(mut filters): Query<Filters>,
) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    filters.team = of.team.id.to_string();
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let asked = AskAudit {
        team: given(&filters.team),
        subject: given(&filters.subject),
        actor: given(&filters.actor),
        action: given(&filters.action),
        from: given(&filters.from),
        to: given(&filters.to),
    };
    let request = PageRequest {
        after: given(&filters.after),
        limit: ROWS,
    };
    let (log, wrong) = match audit::list(&service, &visitor.caller, asked, &request).await {
        Ok(log) => (log, None),
        Err(error) => (
            Page {
                items: Vec::new(),
                next: None,
            },
            Some(mistake(error)?),
        ),
    };
    let body = html! {
        (mistakes(&["actor", "action", "subject", "from", "to"], wrong.as_ref()))
        (filter_form(&filters, wrong.as_ref()))
        @if wrong.is_none() { (entries(&filters, &log)) }
    };
    Ok(page(&visitor, of, Part::Audit, wrong.as_ref(), body))
}

/// The address of the first page of the same filters.
fn here(filters: &Filters) -> String {
    format!(
        "{PATH}?{}",
        serde_html_form::to_string(filters).unwrap_or_default()
    )
}

fn filter_form(filters: &Filters, wrong: Option<&ApiError>) -> Markup {
    html! {
        form.filters method="get" action=(PATH) {
            input type="hidden" name="team" value=(filters.team);
            (Field::new("actor", "Who").value(&filters.actor).placeholder("Address or token id").plain().show(wrong))
            (Field::new("action", "Action").value(&filters.action).placeholder("key.revoke").plain().show(wrong))
            (Field::new("subject", "Subject").value(&filters.subject).placeholder("Key or team id").plain().show(wrong))
            (Field::new("from", "From").kind("date").value(&filters.from).plain().show(wrong))
            (Field::new("to", "To").kind("date").value(&filters.to).plain().show(wrong))
            (button(Kind::Plain, "Filter"))
        }
    }
}

fn entries(filters: &Filters, log: &Page<AuditEntry>) -> Markup {
    if log.items.is_empty() {
        let all = format!("{PATH}?team={}", filters.team);
        return empty_state(
            "No entries",
            "Nothing in the audit log matches these filters.",
            link_button(Kind::Plain, &all, "Show everything"),
        );
    }
    let columns = [
        Column::new("Time"),
        Column::new("Who"),
        Column::new("Action"),
        Column::new("Subject"),
        Column::new("What changed"),
    ];
    let rows: Vec<Markup> = log
        .items
        .iter()
        .map(|entry| {
            html! {
                tr {
                    td data-label="Time" { (time(entry.at)) }
                    td data-label="Who" { (entry.actor) }
                    td data-label="Action" { code { (entry.action) } }
                    td data-label="Subject" { (entry.subject) }
                    td data-label="What changed" { (changes(&entry.detail)) }
                }
            }
        })
        .collect();
    let here = here(filters);
    let next = log.next.as_ref().map(|next| format!("{here}&after={next}"));
    let first = (!filters.after.is_empty()).then_some(here.as_str());
    html! {
        (table("Audit log", &columns, &rows))
        (pagination("The latest first, times of filters in UTC", first, next.as_deref()))
    }
}

/// Each field that changed on a line: what it was, and what it is. Of what was made, only what was chosen.
fn changes(detail: &Value) -> Markup {
    let mut lines = Vec::new();
    tell("", detail, &mut lines);
    html! {
        @for (name, value) in lines { div { (name) ": " (value) } }
    }
}

fn tell(name: &str, value: &Value, lines: &mut Vec<(String, Markup)>) {
    match value {
        Value::Null => {}
        Value::Array(of) if of.is_empty() => {}
        Value::Object(of) => match (of.get("was"), of.get("is")) {
            (Some(was), Some(is)) => tell_change(name, was, is, lines),
            _ => {
                for (field, value) in of {
                    tell(&within(name, field), value, lines);
                }
            }
        },
        value => lines.push((spoken(name), plain(name, value))),
    }
}

fn tell_change(name: &str, was: &Value, is: &Value, lines: &mut Vec<(String, Markup)>) {
    let fields = |of: &Value| -> Vec<String> {
        let fields = of.as_object().into_iter().flat_map(|of| of.keys().cloned());
        fields.collect()
    };
    let mut names = fields(was);
    names.extend(fields(is));
    names.sort();
    names.dedup();
    if names.is_empty() {
        let change = html! { (plain(name, was)) " → " (plain(name, is)) };
        lines.push((spoken(name), change));
    }
    for field in names {
        let of = |value: &Value| value.get(&field).cloned().unwrap_or_default();
        let (was, is) = (of(was), of(is));
        if was != is {
            tell_change(&within(name, &field), &was, &is, lines);
        }
    }
}

fn within(name: &str, field: &str) -> String {
    match name {
        "" => field.to_owned(),
        name => format!("{name} {field}"),
    }
}

/// A field's name for people.
fn spoken(name: &str) -> String {
    name.trim_end_matches("_nano_usd").replace('_', " ")
}

fn plain(name: &str, value: &Value) -> Markup {
    let text = |of: &Value| match of {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => html! { "none" },
        Value::Array(of) if of.is_empty() => html! { "none" },
        Value::Array(of) => {
            html! { (cut(&of.iter().map(text).collect::<Vec<_>>().join(", "))) }
        }
        Value::Number(of) => match of.as_i64() {
            Some(nanos) if name.ends_with("_nano_usd") => html! { (money(nanos)) },
            Some(seconds) if name.ends_with("expires_at") => {
                time(Millis::of_seconds(seconds.unsigned_abs()))
            }
            _ => html! { (of) },
        },
        other => html! { (cut(&text(other))) },
    }
}

/// The beginning of a long text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_in_words_and_nothing_of_what_was_not_chosen() {
        for (detail, told) in [
            (
                json!({"name": "ci", "owner": null, "tags": [], "metadata": {}}),
                "name: ci",
            ),
            (
                json!({"budgets": {"day_nano_usd": 5_000_000_000_i64, "soft": {"day_nano_usd": null}}}),
                "budgets day: $5.00",
            ),
            (json!({"tags": ["a", "b"]}), "tags: a, b"),
            (
                json!({"tier": {"was": "free", "is": "pro"}}),
                "tier: free → pro",
            ),
            (
                json!({"owner": {"was": null, "is": "a@b.example"}}),
                "owner: none → a@b.example",
            ),
            (
                json!({"limits": {"was": {"requests_per_minute": 7, "requests_burst": null}, "is": {"requests_per_minute": 8, "requests_burst": null}}}),
                "limits requests per minute: 7 → 8",
            ),
            (json!({"tags": {"was": ["a"], "is": []}}), "tags: a → none"),
            (
                json!({"expires_at": {"was": null, "is": 1_800_000_000}}),
                "expires at: none → 2027-01-15 08:00 UTC",
            ),
            (json!({"prepaid": false}), "prepaid: false"),
            (json!({"name": "<b>"}), "name: &lt;b&gt;"),
            (json!(null), ""),
        ] {
            let shown = changes(&detail).into_string();
            let shown = shown.replace("<div>", "").replace("</div>", "");
            let plain = shown
                .split("<time")
                .map(|part| part.split_once("\">").map_or(part, |(_, text)| text));
            let plain: String = plain.collect();
            assert_eq!(plain.replace("</time>", ""), told, "{detail}");
        }
    }
}
