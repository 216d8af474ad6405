//! One key in the list.

use std::num::NonZeroU32;

use maud::{Markup, html};

use super::address::{Asked, key_address};
use super::draft::patterns;
use crate::clock::Millis;
use crate::ops::usage::of_keys::KeyUsage;
use crate::pages::components::{Tone, ago, badge, count, day, money, sparkline, standing_badge};
use crate::store::{KeyInfo, Standing, TierInfo};

/// How many patterns of models a row shows.
const MODELS_SHOWN: usize = 3;

/// The row of a key.
pub(super) fn row(
    key: &KeyInfo,
    used: Option<&KeyUsage>,
    tiers: &[TierInfo],
    asked: &Asked,
    now: Millis,
) -> Markup {
    let standing = key.standing(now);
    let tier = tiers.iter().find(|tier| tier.name == key.record.tier);
    html! {
        tr {
            th scope="row" {
                a.cell-main href=(key_address(key, "")) { (key.name) }
                span.cell-sub { code { (key.redacted) } }
                span.cell-sub.key-id { (key.record.id) }
            }
            td data-label="Owner" {
                @match &key.owner {
                    Some(owner) => { (owner) }
                    None => span.muted { "Nobody" },
                }
            }
            td data-label="Tags" {
                @if key.tags.is_empty() { span.muted { "–" } }
                @else { span.tags { @for tag in &key.tags { a.badge href=(tagged(asked, tag)) { (tag) } } } }
            }
            td data-label="Tier" { span { (key.record.tier) span.cell-sub { (limits(key, tier)) } } }
            td data-label="Models" { (models(key, tier)) }
            td data-label="Status" { span { (standing_badge(standing)) (end(key, standing, now)) } }
            td data-label="Last used" {
                @match key.last_used_at {
                    Some(at) => span.nowrap { (ago(at)) },
                    None => span.muted { "Never" },
                }
            }
            td.right data-label="Requests" { (requests(key, used)) }
            td.right data-label="Cost" { (cost(key, used)) }
        }
    }
}

fn tagged(asked: &Asked, tag: &str) -> String {
    Asked {
        tag: tag.to_owned(),
        ..asked.all()
    }
    .address()
}

/// The limits in force, in short.
pub(super) fn limits(key: &KeyInfo, tier: Option<&TierInfo>) -> String {
    let own = &key.record.limits;
    let tier = tier.map(|of| &of.tier);
    let rate = |own: Option<NonZeroU32>, tier: Option<NonZeroU32>| {
        own.or(tier).map(|n| count(i64::from(n.get())))
    };
    let requests = rate(own.requests_per_minute, tier.map(|t| t.requests_per_minute));
    let tokens = rate(own.tokens_per_minute, tier.map(|t| t.tokens_per_minute));
    let flight = rate(own.max_in_flight, tier.and_then(|t| t.max_in_flight));
    let parts = [
        requests.map(|n| format!("{n} requests/min")),
        tokens.map(|n| format!("{n} tokens/min")),
        flight.map(|n| format!("{n} at once")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" · ")
}

/// The models that the key may use.
fn models(key: &KeyInfo, tier: Option<&TierInfo>) -> Markup {
    let of_tier = tier.map(|of| &of.tier.models);
    let set = key.record.models.as_ref().or(of_tier);
    let names = match set {
        Some(set) if !set.is_any() => patterns(set),
        _ => return html! { "All" },
    };
    let shown = names
        .iter()
        .take(MODELS_SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(MODELS_SHOWN);
    html! { code { (shown) } @if more > 0 { " and " (more) " more" } }
}

/// When it ends, where that is soon or past.
fn end(key: &KeyInfo, standing: Standing, now: Millis) -> Markup {
    let at = key.record.expires_at.map(Millis::of_seconds);
    html! {
        @if let Some(at) = at && standing != Standing::Revoked {
            @let soon = at.0.saturating_sub(now.0) < 7 * crate::clock::DAY_MS;
            span.cell-sub {
                @if standing == Standing::Expired { "on " (day(at)) }
                @else if soon { (badge(Tone::Warn, "Expires soon")) }
                @else { "until " (day(at)) }
            }
        }
    }
}

fn requests(key: &KeyInfo, used: Option<&KeyUsage>) -> Markup {
    let total = used.map_or(0, |of| of.total.requests);
    let days: Vec<f64> = used
        .iter()
        .flat_map(|of| &of.days)
        .map(|day| small(day.requests))
        .collect();
    let label = format!("{} requests in 30 days, by day", count(total));
    html! {
        span.spark-cell {
            (sparkline(&days, &label))
            span.number data-live={ (key.record.id) ".requests" } { (count(total)) }
        }
    }
}

fn cost(key: &KeyInfo, used: Option<&KeyUsage>) -> Markup {
    let total = used.map_or(0, |of| of.total.cost);
    let days: Vec<f64> = used
        .iter()
        .flat_map(|of| &of.days)
        .map(|day| small(day.cost / 1_000))
        .collect();
    let label = format!("{} in 30 days, by day", money(total));
    html! {
        span.spark-cell {
            (sparkline(&days, &label))
            span.number data-live={ (key.record.id) ".cost" } { (money(total)) }
        }
    }
}

/// A number for a drawing, which needs no more than its beginning.
pub(super) fn small(number: i64) -> f64 {
    f64::from(i32::try_from(number.clamp(0, i64::from(i32::MAX))).unwrap_or(i32::MAX))
}
