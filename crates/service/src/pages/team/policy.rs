//! What the team's own members may do with its keys, in plain words.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::{OfTeam, Part, page, team};
use crate::pages::components::{card, count, definition_list, money};
use crate::pages::error::PageError;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::Policy;
use crate::store::policy::DEFAULT_TIER;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/users/team/policy", get(show))
}

async fn show(visitor: Visitor, of: OfTeam) -> Result<Response, PageError> {
    let of = team(&visitor, of)?;
    let policy = of.team.policy.clone().unwrap_or_default();
    let body = card(
        "What the team may do with its keys",
        html! {
            p.muted { "Administrators of the service set this, and are not bound by it." }
            (words(&policy))
        },
    );
    Ok(page(&visitor, of, Part::Policy, None, body))
}

fn words(policy: &Policy) -> Markup {
    let list = |value: Result<Value, serde_json::Error>, none: &str| match value {
        Ok(Value::Array(items)) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            html! { (names.join(", ")) }
        }
        _ => html! { (none) },
    };
    let days = policy
        .max_key_lifetime_seconds
        .map(|seconds| match seconds % 86_400 {
            0 => format!("{} days", seconds / 86_400),
            _ => format!("{seconds} seconds"),
        });
    definition_list(&[
        (
            "Tiers",
            match &policy.allowed_tiers {
                Some(tiers) => list(serde_json::to_value(tiers), ""),
                None => html! { "Only " (DEFAULT_TIER) },
            },
        ),
        (
            "Models",
            list(
                serde_json::to_value(&policy.models),
                "Those of the key's tier",
            ),
        ),
        (
            "Endpoints",
            list(serde_json::to_value(policy.endpoints), "All that are open"),
        ),
        (
            "Most of each limit",
            most(serde_json::to_value(&policy.limits).ok(), count),
        ),
        (
            "Most of each budget",
            most(serde_json::to_value(policy.budgets).ok(), money),
        ),
        (
            "Keys",
            match policy.max_keys {
                Some(most) => html! { "At most " (count(most.into())) },
                None => html! { "Any number" },
            },
        ),
        (
            "Longest life of a key",
            html! { (days.as_deref().unwrap_or("Any")) },
        ),
    ])
}

/// The caps that are set, one on each line.
fn most(caps: Option<Value>, show: impl Fn(i64) -> String) -> Markup {
    let caps: Vec<(String, i64)> = match caps {
        Some(Value::Object(caps)) => caps
            .into_iter()
            .filter_map(|(name, cap)| Some((name, cap.as_i64()?)))
            .collect(),
        _ => Vec::new(),
    };
    html! {
        @if caps.is_empty() { "What the tier gives; it may be lowered" }
        @for (name, cap) in caps {
            div { (name.trim_end_matches("_nano_usd").replace('_', " ")) ": " (show(cap)) }
        }
    }
}
