//! Proxies: which changes each has applied, what it holds, when it was last heard, and whether its tiers are the service's.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gmtech_core::ident::TierName;
use maud::{Markup, html};

use super::{Admin, Part};
use crate::ops::proxies::{self, ProxyState};
use crate::pages::components::{
    Column, Tone, ago, badge, cards, count, empty_state, notice, stat, table,
};
use crate::pages::error::PageError;
use crate::service::Service;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(Part::Proxies.path(), get(list))
}

async fn list(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
) -> Result<Response, PageError> {
    let (head, known) = proxies::list(&service, &visitor.caller).await?;
    let live: Vec<&ProxyState> = known.iter().filter(|of| of.live).collect();
    let current = live.iter().filter(|of| of.behind == Some(0)).count();
    let gone = known.len() - live.len();
    let differ = live.iter().filter(|of| differs(of)).count();
    let tone = |is_good: bool| if is_good { Tone::Plain } else { Tone::Warn };
    let number = |n: usize| count(i64::try_from(n).unwrap_or(i64::MAX));
    let columns = [
        Column::new("Proxy"),
        Column::new("Status"),
        Column::new("Filter"),
        Column::new("Applied version").right(),
        Column::new("Keys held").right(),
        Column::new("Its own tiers"),
        Column::new("Last heard"),
    ];
    let rows: Vec<Markup> = known.iter().map(row).collect();
    let window = service.live_window.as_secs();
    let up_to_date = format!("{current} of {}", live.len());
    let body = html! {
        @if known.is_empty() {
            (empty_state(
                "No proxy has been heard",
                "No proxy has asked for changes within a day. Look at its token, and at the address of the key service.",
                html! { p { code { "gmtech doctor" } " finds the usual causes." } },
            ))
        } @else {
            (cards(&[
                stat(tone(current == live.len() && !live.is_empty()), &up_to_date, "live proxies are up to date", None),
                stat(Tone::Plain, &version(head.version), "latest version", None),
                stat(tone(gone == 0), &number(gone), "gone within a day", None),
                stat(tone(differ == 0), &number(differ), "with other tiers than the service", None),
            ]))
            @if differ > 0 { (explained()) }
            (table("Proxies", &columns, &rows))
            p.hint {
                "A proxy is gone when it has not been heard for " (window) " seconds. Its keys go on working there if it still \
                 runs. A process that is started again has another name. Keys held include revoked ones, which are refused by name."
            }
        }
    };
    Ok(Part::Proxies.page(&visitor, html! {}, body))
}

/// Whether a proxy's own tiers differ from the service's.
fn differs(of: &ProxyState) -> bool {
    of.tiers.as_ref().is_some_and(|t| !t.different.is_empty())
}

/// What a difference of tiers means, and what to do.
pub(super) fn explained() -> Markup {
    notice(
        Tone::Warn,
        html! {
            "Some live proxies are configured with other limits or models than the service has. Theirs hold for keys in their \
             own configuration, and for all keys while they have not reached the service. Make " code { "tiers" } " of the \
             filter's configuration equal to " code { "gmtech tiers list" } "."
        },
    )
}

fn version(version: u64) -> String {
    count(i64::try_from(version).unwrap_or(i64::MAX))
}

fn row(of: &ProxyState) -> Markup {
    let told = &of.proxy.told;
    html! {
        tr {
            th scope="row" { code { (of.proxy.id) } }
            td data-label="Status" { (status(of)) }
            td data-label="Filter" {
                @match &told.filter {
                    Some(version) => (version),
                    None => span.muted title="This filter is older than the service, and does not tell." { "unknown" },
                }
            }
            td.right data-label="Applied version" {
                (version(of.proxy.applied.version))
                @if let Some(behind @ 1..) = of.behind { div.hint { (version(behind)) " behind" } }
            }
            td.right data-label="Keys held" {
                @match told.held { Some(held) => (version(held)), None => span.muted { "unknown" } }
            }
            td data-label="Its own tiers" { (tiers(of)) }
            td data-label="Last heard" { (ago(of.proxy.seen_at)) }
        }
    }
}

fn status(of: &ProxyState) -> Markup {
    match (of.live, of.behind) {
        (false, _) => badge(Tone::Bad, "Gone"),
        (true, Some(0)) => badge(Tone::Good, "Live, up to date"),
        (true, Some(1)) => badge(Tone::Warn, "Live, 1 change behind"),
        (true, Some(n)) => badge(Tone::Warn, &format!("Live, {} changes behind", version(n))),
        (true, None) => badge(Tone::Warn, "Live, with the data from before a restore"),
    }
}

fn tiers(of: &ProxyState) -> Markup {
    let names = |names: &[TierName]| {
        let names: Vec<&str> = names.iter().map(TierName::as_str).collect();
        names.join(", ")
    };
    let Some(tiers) = &of.tiers else {
        return html! { span.muted { "unknown" } };
    };
    html! {
        @if tiers.different.is_empty() { "As the service's" }
        @else { (badge(Tone::Warn, &format!("Differ: {}", names(&tiers.different)))) }
        @if !tiers.only_configured.is_empty() {
            div.hint { "Only there: " (names(&tiers.only_configured)) }
        }
    }
}
