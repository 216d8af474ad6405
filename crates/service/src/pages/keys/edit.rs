//! The form of a key, new or there.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gmtech_core::request::EndpointGroup;
use maud::{Markup, html};

use super::address::key_address;
use super::draft::{Draft, FIELDS, patterns, placed};
use super::{find_to_change, with_mistake};
use crate::error::ApiError;
use crate::ops::{keys, tiers};
use crate::pages::HOME;
use crate::pages::components::{
    Field, Kind, breadcrumb, button, card, count, form, link_button, mistakes, select, textarea,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::frame::{Frame, Section};
use crate::pages::notice::Notice;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::{KeyInfo, TierInfo};

/// What the form is made of.
pub(super) struct Editor<'a> {
    pub(super) visitor: &'a Visitor,
    pub(super) draft: &'a Draft,
    pub(super) tiers: &'a [TierInfo],
    pub(super) mistake: Option<&'a ApiError>,
    pub(super) action: &'a str,
    pub(super) verb: &'a str,
    pub(super) way: &'a [(&'a str, &'a str)],
    pub(super) here: &'a str,
}

/// The form of a key.
pub(super) fn editor(of: &Editor<'_>) -> Markup {
    let back = of.way.last().map_or(HOME, |(href, _)| *href);
    let body = html! {
        @if !of.draft.once.is_empty() { input type="hidden" name="once" value=(of.draft.once); }
        (card("Key", identity(of)))
        (card("Limits", limits(of)))
        (card("Budgets", budgets(of)))
        (card("Permissions", permissions(of)))
        div.buttons { (button(Kind::Primary, of.verb)) (link_button(Kind::Quiet, back, "Cancel")) }
    };
    html! {
        (breadcrumb(of.way, of.here))
        (mistakes(&FIELDS, of.mistake))
        (form(of.visitor, of.action, body))
    }
}

/// What a tier gives, in a line.
fn tier_line(of: &TierInfo) -> String {
    let tier = &of.tier;
    let number = |n: std::num::NonZeroU32| count(i64::from(n.get()));
    let models = match tier.models.is_any() {
        true => "all models".to_owned(),
        false => patterns(&tier.models).join(", "),
    };
    format!(
        "{}: {} requests and {} tokens a minute, {models}",
        of.name,
        number(tier.requests_per_minute),
        number(tier.tokens_per_minute)
    )
}

fn identity(of: &Editor<'_>) -> Markup {
    let (draft, mistake) = (of.draft, of.mistake);
    let lines: Vec<String> = of.tiers.iter().map(tier_line).collect();
    let mut choices: Vec<(&str, &str)> = of
        .tiers
        .iter()
        .map(|t| t.name.as_str())
        .zip(lines.iter().map(String::as_str))
        .collect();
    if !draft.tier.is_empty() && choices.iter().all(|(name, _)| *name != draft.tier) {
        choices.push((&draft.tier, &draft.tier));
    }
    html! {
        div.fields.fields-wide {
            (Field::new("name", "Name").value(&draft.name).required().placeholder("checkout-service, production").hint("What uses the key, so that you find it again.").show(mistake))
            (select("tier", "Tier", &choices, &draft.tier, "What limits and models the key has where nothing else is set.", mistake))
        }
        div.fields {
            (Field::new("owner", "Owner").value(&draft.owner).kind("email").placeholder("Nobody").hint("The member of the team who answers for it.").show(mistake))
            (Field::new("tags", "Tags").value(&draft.tags).placeholder("None").hint("Words to find it by, with commas.").show(mistake))
            (Field::new("expires_at", "Expires").value(&draft.expires_at).kind("datetime-local").hint("In UTC. Empty: never.").show(mistake))
        }
    }
}

fn limits(of: &Editor<'_>) -> Markup {
    let (draft, mistake) = (of.draft, of.mistake);
    let tier = "As the tier";
    html! {
        p.hint { "Empty: what the tier gives. All limits are per key; rotation keeps them." }
        div.fields {
            (Field::new("requests_per_minute", "Requests a minute").value(&draft.requests_per_minute).placeholder(tier).show(mistake))
            (Field::new("requests_burst", "Requests at once").value(&draft.requests_burst).placeholder(tier).hint("From a full bucket. Usually as many as in a minute.").show(mistake))
            (Field::new("tokens_per_minute", "Tokens a minute").value(&draft.tokens_per_minute).placeholder(tier).show(mistake))
            (Field::new("tokens_burst", "Tokens at once").value(&draft.tokens_burst).placeholder(tier).hint("From a full bucket. Usually as many as in a minute.").show(mistake))
            (Field::new("max_in_flight", "Requests in flight").value(&draft.max_in_flight).placeholder(tier).hint("How many may run at the same time.").show(mistake))
        }
    }
}

fn budgets(of: &Editor<'_>) -> Markup {
    let (draft, mistake) = (of.draft, of.mistake);
    let none = "No budget";
    html! {
        p.hint { "In US dollars. A key that has spent a budget is refused until the next day, week or month (UTC) begins." }
        div.fields {
            (Field::new("budget_day", "A day").value(&draft.budget_day).placeholder(none).show(mistake))
            (Field::new("budget_week", "A week").value(&draft.budget_week).placeholder(none).hint("From Monday on.").show(mistake))
            (Field::new("budget_month", "A month").value(&draft.budget_month).placeholder(none).show(mistake))
            (Field::new("budget_total", "In all").value(&draft.budget_total).placeholder(none).show(mistake))
        }
    }
}

fn permissions(of: &Editor<'_>) -> Markup {
    let (draft, mistake) = (of.draft, of.mistake);
    let error = mistake.filter(|of| of.param() == Some("endpoints"));
    html! {
        div.fields.fields-wide {
            (textarea("models", "Models", &draft.models, "One pattern a line, such as gpt-4o*. Empty: all that the tier has.", mistake))
            (textarea("allowed_ips", "Allowed addresses", &draft.allowed_ips, "One address or network a line, such as 203.0.113.0/24. Empty: from anywhere.", mistake))
        }
        details open[!draft.endpoints.is_empty() || error.is_some()] {
            summary { "Endpoints: " @if draft.endpoints.is_empty() { "all that are open" } @else { "only the chosen ones" } }
            fieldset id="endpoints" {
                legend.hint { "None chosen: all that the gate has opened." }
                @if let Some(error) = error { p.error { (error.message()) } }
                div.choices {
                    @for group in EndpointGroup::all() {
                        label.choice {
                            input type="checkbox" name="endpoints" value=(group.name()) checked[draft.endpoints.iter().any(|name| name == group.name())];
                            (group.name())
                        }
                    }
                }
            }
        }
    }
}

pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let (key, member) = find_to_change(&service, &visitor, &id).await?;
    let draft = Draft::of(&key);
    page(&service, &visitor, member, &key, &draft, None).await
}

async fn page(
    service: &Service,
    visitor: &Visitor,
    member: &Membership,
    key: &KeyInfo,
    draft: &Draft,
    mistake: Option<&ApiError>,
) -> Result<Response, PageError> {
    let tier = Some(&key.record.tier);
    let tiers = tiers::choices(service, &visitor.caller, &member.team, tier).await?;
    let title = format!("Edit {}", key.name);
    let frame = Frame {
        title: &title,
        section: Section::Keys,
        visitor,
        team: Some(member),
    };
    let (home, own) = (frame.of_team(HOME), key_address(key, ""));
    let body = editor(&Editor {
        visitor,
        draft,
        tiers: &tiers,
        mistake,
        action: &key_address(key, "edit"),
        verb: "Save changes",
        way: &[(&home, "API Keys"), (&own, &key.name)],
        here: "Edit",
    });
    Ok(with_mistake(frame.page(body), mistake))
}

pub(super) async fn save(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let (key, member) = find_to_change(&service, &visitor, &id).await?;
    let saved = match draft.update(&key) {
        Ok(asked) => keys::update(&service, &visitor.caller, &id, asked).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(key) => {
            let text = format!("“{}” is saved.", key.name);
            Notice::good(text)
                .and_go(visitor.session(), &key_address(&key, ""))
                .await
        }
        Err(error) if error.param().is_some() => {
            let error = placed(error);
            page(&service, &visitor, member, &key, &draft, Some(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}
