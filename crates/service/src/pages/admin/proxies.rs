//! Proxies: which changes each has applied, and when it was last heard.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::{Admin, Part};
use crate::ops::proxies;
use crate::pages::components::{Column, Tone, ago, badge, cards, count, empty_state, stat, table};
use crate::pages::error::PageError;
use crate::service::Service;
use crate::store::{Head, Proxy};

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(Part::Proxies.path(), get(list))
}

/// How far a proxy is behind the service's latest change; `None` where it still has another epoch.
fn behind(head: Head, proxy: &Proxy) -> Option<u64> {
    let same = proxy.applied.epoch == head.epoch;
    same.then(|| head.version.saturating_sub(proxy.applied.version))
}

async fn list(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
) -> Result<Response, PageError> {
    let (head, live) = proxies::list(&service, &visitor.caller).await?;
    let current = live.iter().filter(|p| behind(head, p) == Some(0)).count();
    let rows: Vec<Markup> = live.iter().map(|proxy| row(head, proxy)).collect();
    let columns = [
        Column::new("Proxy"),
        Column::new("Status"),
        Column::new("Applied version").right(),
        Column::new("Last heard"),
    ];
    let window = service.live_window.as_secs();
    let tone = if current == live.len() {
        Tone::Plain
    } else {
        Tone::Warn
    };
    let body = html! {
        @if rows.is_empty() {
            (empty_state(
                "No proxy is live",
                &format!("No proxy has asked for changes in the last {window} seconds. Look at its token, and at the address of the key service."),
                html! { p { code { "gmtech doctor" } " finds the usual causes." } },
            ))
        } @else {
            (cards(&[
                stat(tone, &format!("{current} of {}", live.len()), "proxies are up to date", None),
                stat(Tone::Plain, &version(head.version), "latest version", None),
            ]))
            (table("Proxies", &columns, &rows))
            p.hint { "A proxy that has not been heard for " (window) " seconds is left out." }
        }
    };
    Ok(Part::Proxies.page(&visitor, html! {}, body))
}

fn version(version: u64) -> String {
    count(i64::try_from(version).unwrap_or(i64::MAX))
}

fn row(head: Head, proxy: &Proxy) -> Markup {
    html! {
        tr {
            th scope="row" { code { (proxy.id) } }
            td data-label="Status" {
                @match behind(head, proxy) {
                    Some(0) => (badge(Tone::Good, "Up to date")),
                    Some(1) => (badge(Tone::Warn, "1 change behind")),
                    Some(n) => (badge(Tone::Warn, &format!("{} changes behind", version(n)))),
                    None => (badge(Tone::Warn, "Has the data from before a restore")),
                }
            }
            td.right data-label="Applied version" { (version(proxy.applied.version)) }
            td data-label="Last heard" { (ago(proxy.seen_at)) }
        }
    }
}
