//! The list of a team's keys.
//!
//! What it costs does not grow with the number of keys: a page of the list is a walk along an index, its usage is one query, and
//! the counts of the cards are bounded. Where a filter has no index and finds little, the page says how many keys it has looked at.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use gmtech_core::ident::KeyId;
use maud::{Markup, html};

use super::address::{Asked, STANDINGS, address};
use super::found::{Found, find, how_far};
use super::{may_make, row, with_mistake};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::keys::attention;
use crate::ops::tiers;
use crate::ops::usage::of_keys::of_keys;
use crate::pages::alerts::{self, On};
use crate::pages::components::{
    Column, Field, Kind, Sorted, Tone, button, cards, empty_state, link_button, notice, pagination,
    select, stat, table,
};
use crate::pages::error::PageError;
use crate::pages::frame::{Frame, Section};
use crate::pages::visitor::{Membership, Visitor};
use crate::pages::{HOME, assets};
use crate::service::Service;
use crate::store::{Attention, TierInfo};

/// The filters that a mistake can be beside.
const FILTERS: [&str; 4] = ["search", "tier", "owner", "tag"];

pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Query(mut asked): Query<Asked>,
) -> Result<Response, PageError> {
    let member = visitor.team(Some(asked.team.as_str()).filter(|team| !team.is_empty()))?;
    let team = &member.team.id;
    asked.team = team.to_string();
    let (caller, now) = (&visitor.caller, Millis::now());
    let (found, mistake) = match find(&service, &visitor, member, &asked, now).await {
        Ok(found) => (found, None),
        Err(error) if error.param().is_some_and(|p| FILTERS.contains(&p)) => {
            (Found::default(), Some(error))
        }
        Err(error) => return Err(error.into()),
    };
    let ids: Vec<KeyId> = found.keys.iter().map(|key| key.record.id.clone()).collect();
    let used = of_keys(&service, caller, team, &ids, now).await?;
    let tiers = tiers::offered(&service, caller).await?;
    let counts = attention::counts(&service, caller, team, now).await?;
    let lines = alerts::lines(&service, &visitor, member, On::Keys).await?;
    let rows: Vec<Markup> = (found.keys.iter())
        .map(|key| row::row(key, used.get(&key.record.id), &tiers, &asked, now))
        .collect();
    let filtered = !asked.filters().is_empty() || asked.attention().is_some();
    let nothing = rows.is_empty() && found.next.is_none() && asked.first().after == asked.after;
    let none_yet = nothing && !filtered && asked.skip.is_empty();
    let live = live_address(&asked, &ids);
    let body = html! {
        script src=(assets::address("live-numbers.js")) defer {}
        (lines)
        @if none_yet { (no_keys(&visitor, member)) } @else {
            (attention_cards(&asked, &counts))
            (filters(&asked, &tiers, mistake.as_ref()))
            @if let Some(reason) = asked.attention() { (looked_at(&asked, reason)) }
            @if rows.is_empty() { (none_match(&asked, &found)) } @else {
                @if found.partly { (notice(Tone::Info, html! { (how_far(&asked)) " There may be more further on." })) }
                div data-live-from=(live) { (table("API keys", &columns(&asked), &rows)) }
                (pages(&asked, &found))
            }
        }
    };
    let actions = html! {
        @if may_make(&visitor, member) && !none_yet { (new_key_link(&asked)) }
    };
    let frame = Frame {
        title: "API Keys",
        section: Section::Keys,
        visitor: &visitor,
        team: Some(member),
    };
    let mistake = mistake.as_ref();
    Ok(with_mistake(frame.page_with(actions, body), mistake))
}

fn live_address(asked: &Asked, ids: &[KeyId]) -> String {
    let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
    let ids = ids.join(",");
    address(
        "/users/api-keys/live",
        &[("team", &asked.team), ("ids", &ids)],
    )
}

fn new_key_link(asked: &Asked) -> Markup {
    let to = address("/users/api-keys/new", &[("team", &asked.team)]);
    link_button(Kind::Primary, &to, "Create New API Key")
}

fn columns(asked: &Asked) -> Vec<Column> {
    let sorts = |name: &str, label: &str, ascends: bool| {
        let is = (asked.sort_name() == name && asked.attention().is_none()).then_some(
            match ascends == asked.reverse.is_empty() {
                true => Sorted::Ascending,
                false => Sorted::Descending,
            },
        );
        match asked.attention() {
            Some(_) => Column::new(label),
            None => Column::new(label).sorts(asked.sorted(name).address(), is),
        }
    };
    vec![
        sorts("name", "Name", true),
        Column::new("Owner"),
        Column::new("Tags"),
        Column::new("Tier and limits"),
        Column::new("Models"),
        sorts("expires", "Status", true),
        sorts("last_used", "Last used", false),
        Column::new("Requests, 30 days").right(),
        Column::new("Cost, 30 days").right(),
    ]
}

/// What deserves a look; nothing where there is nothing.
fn attention_cards(asked: &Asked, counts: &[(Attention, u32)]) -> Markup {
    let shown: Vec<Markup> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| {
            let number = match count {
                1_000.. => "1,000+".to_owned(),
                count => count.to_string(),
            };
            let tone = match reason {
                Attention::RevokedInUse => Tone::Bad,
                Attention::ExpiresSoon => Tone::Warn,
                _ => Tone::Plain,
            };
            let to = asked.looks_at(*reason).address();
            stat(tone, &number, label(*reason), Some(&to))
        })
        .collect();
    html! {
        @if !shown.is_empty() {
            section aria-label="Keys that deserve a look" { (cards(&shown)) }
        }
    }
}

fn label(reason: Attention) -> &'static str {
    match reason {
        Attention::NeverExpires => "Never expire",
        Attention::NoBudget => "Have no budget",
        Attention::Unused => "Unused for 90 days",
        Attention::ExpiresSoon => "Expire within 7 days",
        Attention::RevokedInUse => "Revoked, still in use",
    }
}

fn looked_at(asked: &Asked, reason: Attention) -> Markup {
    let what = match reason {
        Attention::NeverExpires => {
            "Active keys that never expire. An expiry limits the harm of a key that leaks."
        }
        Attention::NoBudget => {
            "Active keys without a budget. They can spend all of the team's credit."
        }
        Attention::Unused => {
            "Active keys that were not used for 90 days. Revoke those that nobody needs."
        }
        Attention::ExpiresSoon => {
            "Active keys that expire within seven days. Rotate those that are still needed."
        }
        Attention::RevokedInUse => {
            "Revoked keys that were refused within the last seven days: some client still has them."
        }
    };
    notice(
        Tone::Info,
        html! { (what) " " a href=(asked.all().address()) { "Show all keys" } },
    )
}

fn filters(asked: &Asked, tiers: &[TierInfo], mistake: Option<&ApiError>) -> Markup {
    let mut standings = vec![("", "Any")];
    standings.extend(STANDINGS.iter().map(|(name, label, _)| (*name, *label)));
    let mut names = vec![("", "Any")];
    names.extend(tiers.iter().map(|t| (t.name.as_str(), t.name.as_str())));
    html! {
        form.filters method="get" action=(HOME) role="search" aria-label="Keys" {
            input type="hidden" name="team" value=(asked.team);
            @if !asked.sort.is_empty() { input type="hidden" name="sort" value=(asked.sort); }
            @if !asked.reverse.is_empty() { input type="hidden" name="reverse" value=(asked.reverse); }
            (Field::new("search", "Search").kind("search").placeholder("Name, id or beginning of the key").value(&asked.search).plain().wide().show(mistake))
            (select("status", "Status", &standings, &asked.status, "", mistake))
            (select("tier", "Tier", &names, &asked.tier, "", mistake))
            (Field::new("owner", "Owner").value(&asked.owner).placeholder("Any").plain().show(mistake))
            (Field::new("tag", "Tag").value(&asked.tag).placeholder("Any").plain().show(mistake))
            div.buttons {
                (button(Kind::Plain, "Filter"))
                @if !asked.filters().is_empty() { (link_button(Kind::Quiet, &asked.all().address(), "Clear")) }
            }
        }
    }
}

fn no_keys(visitor: &Visitor, member: &Membership) -> Markup {
    let asked = Asked {
        team: member.team.id.to_string(),
        ..Asked::default()
    };
    let action = html! {
        @if may_make(visitor, member) { (new_key_link(&asked)) }
        @else { p.hint { "You may only look. Ask an owner of the team for a key." } }
    };
    empty_state(
        "No API keys yet",
        "An API key lets a program use the models. It has limits, a budget and an end of its own, and you can revoke it at any time.",
        action,
    )
}

fn none_match(asked: &Asked, found: &Found) -> Markup {
    let clear = link_button(Kind::Plain, &asked.all().address(), "Show all keys");
    let filters = asked.filters().join(", ");
    match (&found.next, asked.attention()) {
        (Some(next), _) => empty_state(
            "None so far",
            &format!("{} None of them matches {filters}.", how_far(asked)),
            html! { div.buttons { (link_button(Kind::Primary, &next.address(), "Look further")) (clear) } },
        ),
        (None, Some(_)) => empty_state(
            "Nothing to look at here",
            "No key is like this any more.",
            clear,
        ),
        (None, None) if filters.is_empty() => {
            empty_state("No more keys", "This was the last page.", clear)
        }
        (None, None) => empty_state(
            "No key matches",
            &format!("No key of this team matches {filters}."),
            clear,
        ),
    }
}

fn pages(asked: &Asked, found: &Found) -> Markup {
    let count = found.keys.len();
    let is_first = asked.after.is_empty() && asked.skip.is_empty();
    let keys = if count == 1 { "key" } else { "keys" };
    let text = match (is_first, &found.next) {
        (true, None) => format!("{count} {keys}"),
        _ => format!("{count} {keys} on this page"),
    };
    let first = (!is_first).then(|| asked.first().address());
    let next = found.next.as_ref().map(Asked::address);
    pagination(&text, first.as_deref(), next.as_deref())
}
