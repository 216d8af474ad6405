//! One key: what it may do, what it may spend and has spent, how it was used, what was changed.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gmtech_core::record::Status;
use gmtech_core::request::EndpointGroup;
use maud::{Markup, html};

use super::address::key_address;
use super::draft::patterns;
use super::example::{self, Gate};
use super::{find, row};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::audit::{self, AskAudit};
use crate::ops::keys;
use crate::ops::tiers;
use crate::ops::usage::of_keys::{KeyUsage, of_keys};
use crate::pages::HOME;
use crate::pages::components::{
    Column, Kind, Tone, badge, breadcrumb, button, card, count, definition_list, form, link_button,
    money, sparkline, standing_badge, table, tags, time,
};
use crate::pages::error::PageError;
use crate::pages::frame::{Frame, Section};
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::{Amounts, AuditEntry, KeyInfo, PageRequest, Standing, TierInfo};

/// How many changes are shown.
const CHANGES: u32 = 10;

const SPANS: [&str; 4] = ["Today", "This week", "This month", "In all"];

pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    gate: Gate,
) -> Result<Response, PageError> {
    let (key, member) = find(&service, &visitor, &id).await?;
    let (caller, now) = (&visitor.caller, Millis::now());
    let spent = keys::spent(&service, caller, &key, now).await?;
    let ids = [key.record.id.clone()];
    let used = of_keys(&service, caller, &member.team.id, &ids, now).await?;
    let changes = changes(&service, &visitor, &key).await?;
    let tiers = tiers::offered(&service, caller).await?;
    let tier = tiers.iter().find(|tier| tier.name == key.record.tier);
    let title = key.name.clone();
    let frame = Frame {
        title: &title,
        section: Section::Keys,
        visitor: &visitor,
        team: Some(member),
    };
    let home = frame.of_team(HOME);
    let body = html! {
        (breadcrumb(&[(&home, "API Keys")], &key.name))
        p { (standing_badge(key.standing(now))) " " code { (key.redacted) } " " (tags(&key.tags)) }
        div.columns {
            (card("Usage, 30 days", usage(used.get(&key.record.id), &key)))
            (card("Budgets", budgets(&key, &spent)))
            (card("Limits in force", limits(&key, tier)))
            (card("Permissions", permissions(&key, tier)))
            (card("About", about(&key)))
        }
        (card("Use it", example::example(&gate, &example::model(&key, &tiers))))
        section { div.section-head { h2 { "Recent changes" } } (changes) }
    };
    Ok(frame.page_with(actions(&visitor, &key, now), body))
}

/// What may be done with it, for who may do it.
fn actions(visitor: &Visitor, key: &KeyInfo, now: Millis) -> Markup {
    let to = |what: &str| key_address(key, what);
    let standing = key.standing(now);
    let over = matches!(standing, Standing::Revoked | Standing::Expired);
    html! {
        @if standing == Standing::Revoked { (link_button(Kind::Plain, &to("receipt"), "Receipt")) }
        @else if visitor.caller.may_manage_key(key).is_ok() {
            (link_button(Kind::Plain, &to("edit"), "Edit"))
            @if !over && key.rotated_to.is_none() { (link_button(Kind::Plain, &to("rotate"), "Rotate")) }
            @if key.record.status == Status::Suspended {
                (form(visitor, &to("resume"), button(Kind::Plain, "Resume")))
            } @else if !over {
                (form(visitor, &to("suspend"), button(Kind::Plain, "Suspend")))
            }
            (link_button(Kind::Danger, &to("revoke"), "Revoke"))
        }
    }
}

fn usage(used: Option<&KeyUsage>, key: &KeyInfo) -> Markup {
    let total = used.map(|of| of.total).unwrap_or_default();
    let days = |of: fn(&crate::ops::usage::totals::Totals) -> i64| -> Vec<f64> {
        let days = used.iter().flat_map(|of| &of.days);
        days.map(|day| row::small(of(day))).collect()
    };
    let line = |label: &str, value: String, days: &[f64]| {
        let says = format!("{label}: {value} in 30 days, by day");
        html! { span.spark-cell { (sparkline(days, &says)) span.number { (value) } } }
    };
    html! {
        (definition_list(&[
            ("Requests", line("Requests", count(total.requests), &days(|day| day.requests))),
            ("Refused", line("Refused", count(total.refused), &days(|day| day.refused))),
            ("Tokens", line("Tokens", count(total.tokens), &days(|day| day.tokens))),
            ("Cost", line("Cost", money(total.cost), &days(|day| day.cost / 1_000))),
            ("Last used", match key.last_used_at { Some(at) => time(at), None => html! { "Never" } }),
        ]))
    }
}

fn budgets(key: &KeyInfo, spent: &Amounts) -> Markup {
    let spent = spent.named().map(|(_, amount)| amount.unwrap_or(0));
    let hard = key.budgets.hard().named().map(|(_, amount)| amount);
    let soft = key.budgets.soft.named().map(|(_, amount)| amount);
    html! {
        dl.definitions {
            @for (((span, spent), hard), soft) in SPANS.iter().zip(spent).zip(hard).zip(soft) {
                dt { (span) }
                dd {
                    (money(spent))
                    @match hard {
                        Some(budget) => {
                            " of " (money(budget))
                            @if spent >= budget { " " (badge(Tone::Bad, "Spent")) }
                            meter min="0" max=(budget.max(1)) value=(spent.clamp(0, budget.max(1))) aria-label={ (span) ": share of the budget" } {}
                        }
                        None => span.muted { " · no budget" },
                    }
                    @if let Some(soft) = soft { span.cell-sub { "Noted from " (money(soft)) " on" } }
                }
            }
        }
        @if !key.budgets.models.is_empty() {
            h3 { "Of some models" }
            ul {
                @for (pattern, amounts) in &key.budgets.models {
                    li {
                        code { (pattern) } ": "
                        @for ((_, amount), span) in amounts.named().iter().zip(["a day", "a week", "a month", "in all"]) {
                            @if let Some(amount) = amount { (money(*amount)) " " (span) " " }
                        }
                    }
                }
            }
        }
        p.hint { "Together with all keys that rotation continues." }
    }
}

fn limits(key: &KeyInfo, tier: Option<&TierInfo>) -> Markup {
    let own = &key.record.limits;
    let of = tier.map(|tier| &tier.tier);
    let line = |own: Option<NonZeroU32>, tier: Option<NonZeroU32>, otherwise: &str| {
        let shown = own.or(tier).map(|n| count(i64::from(n.get())));
        html! {
            @match shown { Some(n) => (n), None => (otherwise) }
            @if own.is_some() { " " (badge(Tone::Info, "This key")) }
        }
    };
    let same = "As many as in a minute";
    // A rate of the key's own has a burst of the same size, whatever the tier's is.
    let burst =
        |rate: Option<NonZeroU32>, tier: Option<NonZeroU32>| tier.filter(|_| rate.is_none());
    definition_list(&[
        ("Tier", html! { (key.record.tier) }),
        (
            "Requests a minute",
            line(
                own.requests_per_minute,
                of.map(|t| t.requests_per_minute),
                "The gate's",
            ),
        ),
        (
            "Requests at once",
            line(
                own.requests_burst,
                burst(own.requests_per_minute, of.and_then(|t| t.requests_burst)),
                same,
            ),
        ),
        (
            "Tokens a minute",
            line(
                own.tokens_per_minute,
                of.map(|t| t.tokens_per_minute),
                "The gate's",
            ),
        ),
        (
            "Tokens at once",
            line(
                own.tokens_burst,
                burst(own.tokens_per_minute, of.and_then(|t| t.tokens_burst)),
                same,
            ),
        ),
        (
            "In flight",
            line(
                own.max_in_flight,
                of.and_then(|t| t.max_in_flight),
                "Any number",
            ),
        ),
    ])
}

fn permissions(key: &KeyInfo, tier: Option<&TierInfo>) -> Markup {
    let codes = |names: Vec<String>| html! { code { (names.join(", ")) } };
    let record = &key.record;
    let models = match (&record.models, tier.map(|tier| &tier.tier.models)) {
        (Some(own), _) => codes(patterns(own)),
        (None, Some(of)) if !of.is_any() => html! { (codes(patterns(of))) " (the tier's)" },
        (None, _) => html! { "All" },
    };
    let spent = record.spent_models.as_ref().map(patterns);
    let endpoints = record.endpoints.as_ref().map(|set| {
        let names = set.groups().map(EndpointGroup::name);
        codes(names.map(str::to_owned).collect())
    });
    let addresses = record
        .addresses
        .as_ref()
        .map(|set| codes(set.networks().iter().map(ToString::to_string).collect()));
    let mut rows = vec![
        ("Models", models),
        (
            "Endpoints",
            endpoints.unwrap_or_else(|| html! { "All that are open" }),
        ),
        (
            "Addresses",
            addresses.unwrap_or_else(|| html! { "From anywhere" }),
        ),
    ];
    if let Some(spent) = spent {
        rows.push(("Over budget", codes(spent)));
    }
    definition_list(&rows)
}

fn about(key: &KeyInfo) -> Markup {
    let other = |id: &gmtech_core::ident::KeyId| {
        let to = super::address::address(
            &format!("{HOME}{id}/"),
            &[("team", key.record.team.as_str())],
        );
        html! { a href=(to) { code { (id) } } }
    };
    let end = key
        .record
        .expires_at
        .map(|seconds| time(Millis::of_seconds(seconds)));
    let mut rows = vec![
        ("Id", html! { code { (key.record.id) } }),
        (
            "Owner",
            html! { @match &key.owner { Some(owner) => (owner), None => "Nobody" } },
        ),
        ("Expires", end.unwrap_or_else(|| html! { "Never" })),
        (
            "Made",
            html! { (time(key.created_at)) " by " (key.created_by) },
        ),
    ];
    if key.record.account() != &key.record.id {
        rows.push(("First of its chain", other(key.record.account())));
    }
    if let Some(from) = &key.rotated_from {
        rows.push(("Replaces", other(from)));
    }
    if let Some(to) = &key.rotated_to {
        rows.push(("Replaced by", other(to)));
    }
    if let Some(role) = key.suspended_by {
        rows.push(("Suspended by", html! { (role.name()) }));
    }
    let texts: Vec<(&str, Markup)> = (key.metadata.iter())
        .map(|(name, text)| (name.as_str(), html! { (text) }))
        .collect();
    html! {
        (definition_list(&rows))
        @if !texts.is_empty() { h3 { "Metadata" } (definition_list(&texts)) }
    }
}

async fn changes(service: &Service, visitor: &Visitor, key: &KeyInfo) -> Result<Markup, ApiError> {
    let page = PageRequest {
        after: None,
        limit: CHANGES,
    };
    let asked = AskAudit {
        team: Some(key.record.team.to_string()),
        subject: Some(key.record.id.to_string()),
        ..AskAudit::default()
    };
    let found = audit::list(service, &visitor.caller, asked, &page).await?;
    let columns = ["When", "Who", "What"].map(Column::new);
    let rows: Vec<Markup> = found.items.iter().map(change).collect();
    Ok(table("Recent changes", &columns, &rows))
}

fn change(entry: &AuditEntry) -> Markup {
    html! {
        tr {
            td data-label="When" { (time(entry.at)) }
            td data-label="Who" { (entry.actor) }
            td data-label="What" { code { (entry.action) } }
        }
    }
}
