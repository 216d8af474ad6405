//! What is done with a key: suspend, resume, revoke, rotate; and the receipt that says which proxies have the change.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use gmtech_core::record::Status;
use maud::html;
use serde::Deserialize;

use super::address::key_address;
use super::example::Gate;
use super::{Nothing, find, find_to_change, once, secret, with_mistake};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::keys::{self, Rotate};
use crate::ops::proxies::{self, Receipt};
use crate::ops::tiers;
use crate::pages::HOME;
use crate::pages::components::{
    Field, Kind, Tone, breadcrumb, button, card, definition_list, dialog_page, form, link_button,
    mistakes, notice, select, time,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::frame::{Frame, Section};
use crate::pages::notice::Notice;
use crate::pages::visitor::{Membership, Visitor};
use crate::service::Service;
use crate::store::{KeyInfo, Standing};

/// How long a form waits for the proxies.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the old key of a rotation goes on: value and name of each choice.
const GRACES: [(&str, &str); 5] = [
    ("0", "No time: it ends at once"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "7 days"),
    ("other", "Other"),
];

/// What was typed about a rotation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RotateDraft {
    once: String,
    grace: String,
    hours: String,
}

fn frame<'a>(title: &'a str, visitor: &'a Visitor, member: &'a Membership) -> Frame<'a> {
    Frame {
        title,
        section: Section::Keys,
        visitor,
        team: Some(member),
    }
}

/// What a receipt says, after what was done, such as “refused”.
fn sentence(done: &str, receipt: &Receipt) -> String {
    let Receipt {
        applied,
        live,
        took_ms,
        ..
    } = receipt;
    match (live, receipt.complete) {
        (0, _) => "No proxy is connected now. Each learns of it before it serves again.".to_owned(),
        (_, true) => format!("{done} by {applied} of {live} proxies after {took_ms} ms."),
        (_, false) => format!(
            "{done} by {applied} of {live} proxies so far. The others apply it with their next poll."
        ),
    }
}

async fn set_status(
    service: &Service,
    visitor: &Visitor,
    id: &str,
    status: Status,
) -> Result<(KeyInfo, Receipt), PageError> {
    find_to_change(service, visitor, id).await?;
    let key = keys::set_status(service, &visitor.caller, id, status).await?;
    let receipt = proxies::wait(service, key.version, PATIENCE).await?;
    Ok((key, receipt))
}

pub(super) async fn suspend(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    let (key, receipt) = set_status(&service, &visitor, &id, Status::Suspended).await?;
    let text = format!(
        "“{}” is suspended: {}",
        key.name,
        sentence("refused", &receipt)
    );
    Notice::good(text)
        .and_go(visitor.session(), &key_address(&key, ""))
        .await
}

pub(super) async fn resume(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    let (key, receipt) = set_status(&service, &visitor, &id, Status::Active).await?;
    let text = format!(
        "“{}” works again: {}",
        key.name,
        sentence("accepted", &receipt)
    );
    Notice::good(text)
        .and_go(visitor.session(), &key_address(&key, ""))
        .await
}

pub(super) async fn confirm_revoke(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let (key, member) = find_to_change(&service, &visitor, &id).await?;
    let title = format!("Revoke {}?", key.name);
    let frame = frame(&title, &visitor, member);
    let (home, own) = (frame.of_team(HOME), key_address(&key, ""));
    let verb = format!("Revoke “{}”", key.name);
    let body = html! {
        (breadcrumb(&[(&home, "API Keys"), (&own, &key.name)], "Revoke"))
        (dialog_page(html! {
            p { "The key " code { (key.redacted) } " is refused from now on, everywhere, for good. Requests that are running are not cut." }
            (definition_list(&[
                ("Name", html! { (key.name) }),
                ("Id", html! { code { (key.record.id) } }),
                ("Last used", match key.last_used_at { Some(at) => time(at), None => html! { "Never" } }),
            ]))
            @if key.standing(Millis::now()) == Standing::Active {
                p.hint { "To try first whether anything still needs it, suspend it: that can be undone." }
            }
            (form(&visitor, &key_address(&key, "revoke"), html! {
                div.buttons { (button(Kind::Danger, &verb)) (link_button(Kind::Plain, &own, "Cancel")) }
            }))
        }))
    };
    Ok(frame.page(body))
}

pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    let (key, receipt) = set_status(&service, &visitor, &id, Status::Revoked).await?;
    let text = format!(
        "“{}” is revoked: {}",
        key.name,
        sentence("refused", &receipt)
    );
    Notice::good(text)
        .and_go(visitor.session(), &key_address(&key, "receipt"))
        .await
}

/// Which proxies have the key's last change, now.
pub(super) async fn receipt(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let (key, member) = find(&service, &visitor, &id).await?;
    let receipt = proxies::wait(&service, key.version, Duration::ZERO).await?;
    let title = format!("Receipt of {}", key.name);
    let frame = frame(&title, &visitor, member);
    let (home, own) = (frame.of_team(HOME), key_address(&key, ""));
    let revoked = key.record.status == Status::Revoked;
    let done = if revoked {
        "Refused"
    } else {
        "Last change applied"
    };
    let (applied, live) = (receipt.applied, receipt.live);
    let body = html! {
        (breadcrumb(&[(&home, "API Keys"), (&own, &key.name)], "Receipt"))
        (card("Proxies", html! {
            @if live == 0 { p { (sentence(done, &receipt)) } }
            @else if receipt.complete { (notice(Tone::Good, html! { (done) " by " (applied) " of " (live) " proxies." })) }
            @else {
                (notice(Tone::Warn, html! { (done) " by " (applied) " of " (live) " proxies so far." }))
                p { "Not yet by:" }
                ul { @for name in &receipt.pending { li { code { (name) } } } }
            }
            (definition_list(&[
                ("Key", html! { (key.name) " (" code { (key.redacted) } ")" }),
                ("Version of the change", html! { (receipt.version) }),
            ]))
            p.hint { "A proxy counts as live while it polls. One that was just stopped counts until its time is over." }
            div.buttons {
                (link_button(Kind::Plain, &key_address(&key, "receipt"), "Look again"))
                (link_button(Kind::Plain, &own, "Go to the key"))
            }
        }))
    };
    Ok(frame.page(body))
}

pub(super) async fn ask_rotate(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let (key, member) = find_to_change(&service, &visitor, &id).await?;
    let draft = RotateDraft {
        once: once()?,
        grace: "86400".into(),
        hours: String::new(),
    };
    Ok(rotate_page(&visitor, member, &key, &draft, None))
}

fn rotate_page(
    visitor: &Visitor,
    member: &Membership,
    key: &KeyInfo,
    draft: &RotateDraft,
    mistake: Option<&ApiError>,
) -> Response {
    let title = format!("Rotate {}", key.name);
    let frame = frame(&title, visitor, member);
    let (home, own) = (frame.of_team(HOME), key_address(key, ""));
    let body = html! {
        (breadcrumb(&[(&home, "API Keys"), (&own, &key.name)], "Rotate"))
        (mistakes(&["grace", "hours"], mistake))
        (dialog_page(html! {
            p { "You get a new key with the same settings. Limits, budgets and what was spent go on with it. The old key works until its grace period is over." }
            (form(visitor, &key_address(key, "rotate"), html! {
                input type="hidden" name="once" value=(draft.once);
                (select("grace", "Grace period of the old key", &GRACES, &draft.grace, "", mistake))
                (Field::new("hours", "Hours").value(&draft.hours).hint("Where you chose Other: 1 to 2,160 hours (90 days).").show(mistake))
                div.buttons { (button(Kind::Primary, "Rotate key")) (link_button(Kind::Plain, &own, "Cancel")) }
            }))
        }))
    };
    with_mistake(frame.page(body), mistake)
}

impl RotateDraft {
    fn seconds(&self) -> Result<u64, ApiError> {
        let hours = || {
            let hours = self.hours.trim().parse::<u64>().ok();
            hours
                .filter(|hours| (1..=2_160).contains(hours))
                .map(|hours| hours * 3_600)
                .ok_or_else(|| {
                    ApiError::invalid("hours", "Hours must be a whole number, 1 to 2,160.")
                })
        };
        match self.grace.as_str() {
            "other" => hours(),
            chosen if GRACES.iter().any(|(value, _)| *value == chosen) => {
                Ok(chosen.parse().unwrap_or(0))
            }
            _ => Err(ApiError::invalid(
                "grace",
                "Choose how long the old key goes on.",
            )),
        }
    }
}

pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Path(id): Path<String>,
    gate: Gate,
    Posted(draft): Posted<RotateDraft>,
) -> Result<Response, PageError> {
    let (key, member) = find_to_change(&service, &visitor, &id).await?;
    let rotated = match draft.seconds() {
        Ok(seconds) => {
            let asked = Rotate {
                overlap_seconds: Some(seconds),
            };
            let token = (!draft.once.is_empty()).then(|| format!("page-{}", draft.once));
            keys::rotate(&service, &visitor.caller, &id, asked, token).await
        }
        Err(error) => Err(error),
    };
    match rotated {
        Ok((made, old)) => {
            let tiers = tiers::offered(&service, &visitor.caller).await?;
            let end = old.record.expires_at.map(Millis::of_seconds);
            let also = html! {
                "The old key " code { (old.redacted) }
                @match end {
                    Some(end) => { " works until " (time(end)) "." }
                    None => " does not work any more.",
                }
            };
            Ok(secret::page(
                &visitor,
                member,
                &made,
                Some(also),
                &gate,
                &tiers,
            ))
        }
        Err(error) if error.param().is_some() => {
            Ok(rotate_page(&visitor, member, &key, &draft, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
