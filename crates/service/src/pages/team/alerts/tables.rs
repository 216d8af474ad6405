//! The tables of the part about alerts.

use maud::{Markup, html};

use super::PATH;
use crate::pages::HOME;
use crate::pages::components::{
    Column, Kind, Tone, ago, badge, button, form, link_button, table, time,
};
use crate::pages::team::address;
use crate::pages::visitor::{Membership, Visitor};
use crate::store::{Alert, AlertAddress, Delivery, DeliveryStatus, DisabledBy};

pub(super) fn alerts(items: &[Alert]) -> Markup {
    let columns = [
        Column::new("Time"),
        Column::new("Alert"),
        Column::new("Key"),
    ];
    let rows: Vec<Markup> = items
        .iter()
        .map(|alert| {
            html! {
                tr {
                    td data-label="Time" { (time(alert.at)) }
                    td data-label="Alert" { (alert.message) }
                    td data-label="Key" {
                        @match &alert.key {
                            Some(key) => a href={ (HOME) (key) "/" } { (key) },
                            None => "–",
                        }
                    }
                }
            }
        })
        .collect();
    table("Alerts", &columns, &rows)
}

pub(super) fn addresses(visitor: &Visitor, of: &Membership, addresses: &[AlertAddress]) -> Markup {
    let columns = [
        Column::new("Name"),
        Column::new("Address"),
        Column::new("Status"),
        Column::new("Actions").hidden(),
    ];
    let rows: Vec<Markup> = addresses
        .iter()
        .map(|one| {
            let remove = format!("{}&id={}", address("/users/team/alerts/remove", of), one.id);
            html! {
                tr {
                    td data-label="Name" { (one.name) }
                    td data-label="Address" { code.breaks { (one.url) } }
                    td data-label="Status" { (status_of_address(one)) }
                    td {
                        div.buttons {
                            (one_button(visitor, of, "test", &one.id, html! {}, "Send a test"))
                            (one_button(visitor, of, "switch", &one.id,
                                html! { input type="hidden" name="enabled" value=(!one.enabled); },
                                if one.enabled { "Turn off" } else { "Turn on" }))
                            (one_button(visitor, of, "rotate", &one.id, html! {}, "New secret"))
                            (link_button(Kind::Quiet, &remove, "Remove"))
                        }
                    }
                }
            }
        })
        .collect();
    table("Addresses", &columns, &rows)
}

fn one_button(
    visitor: &Visitor,
    of: &Membership,
    what: &str,
    id: &str,
    more: Markup,
    text: &str,
) -> Markup {
    let action = address(&format!("{PATH}/{what}"), of);
    form(
        visitor,
        &action,
        html! { input type="hidden" name="id" value=(id); (more) (button(Kind::Quiet, text)) },
    )
}

fn status_of_address(of: &AlertAddress) -> Markup {
    match of.disabled_by {
        None => badge(Tone::Good, "On"),
        Some(DisabledBy::Person) => badge(Tone::Plain, "Off"),
        Some(DisabledBy::Receiver) => html! {
            (badge(Tone::Bad, "Off")) " " span.muted { "The receiver has answered 410." }
        },
    }
}

pub(super) fn deliveries(addresses: &[AlertAddress], deliveries: &[Delivery]) -> Markup {
    let columns = [
        Column::new("Time"),
        Column::new("Alert"),
        Column::new("Address"),
        Column::new("Status"),
        Column::new("Attempts").right(),
    ];
    let name = |id: &str| {
        let found = addresses.iter().find(|one| one.id == id);
        found.map_or_else(|| id.to_owned(), |one| one.name.clone())
    };
    let rows: Vec<Markup> = deliveries
        .iter()
        .map(|one| {
            html! {
                tr {
                    td data-label="Time" { (time(one.created_at)) }
                    td data-label="Alert" { (one.message) }
                    td data-label="Address" { (name(&one.address)) }
                    td data-label="Status" { (status_of_delivery(one)) }
                    td.right data-label="Attempts" { (one.attempts) }
                }
            }
        })
        .collect();
    table("Latest deliveries", &columns, &rows)
}

fn status_of_delivery(of: &Delivery) -> Markup {
    let (tone, text) = match of.status {
        DeliveryStatus::Delivered => (Tone::Good, "Delivered"),
        DeliveryStatus::Failed => (Tone::Bad, "Given up"),
        DeliveryStatus::Waiting => (Tone::Warn, "Waiting"),
    };
    html! {
        div {
            (badge(tone, text))
            @if let Some(problem) = &of.problem { " " span.muted { (problem) "." } }
            @if let (Some(next), true) = (of.next_at, of.attempts > 0) { " " span.muted { "Next attempt: " (ago(next)) } }
        }
    }
}
