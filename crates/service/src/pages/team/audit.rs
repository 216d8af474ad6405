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
use crate::error::ApiError;
use crate::ops::audit::{self, AskAudit};
use crate::pages::components::{
    Column, Field, Kind, button, empty_state, link_button, mistakes, pagination, table, time,
};
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::{AuditEntry, Page, PageRequest};

const PATH: &str = "/users/team/audit";

/// Entries on a page.
const ROWS: u32 = 50;

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

/// Each field that changed on a line: what it was, and what it is.
fn changes(detail: &Value) -> Markup {
    let Value::Object(fields) = detail else {
        return html! {};
    };
    html! {
        @for (name, value) in fields {
            div {
                (name.replace('_', " ")) ": "
                @match (value.get("was"), value.get("is")) {
                    (Some(was), Some(is)) => { (plain(was)) " → " (plain(is)) }
                    _ => (plain(value)),
                }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
