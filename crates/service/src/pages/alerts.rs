//! The lines about alerts on pages of a team, and putting one away.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use super::HOME;
use super::components::{Tone, ago, form, notice};
use super::error::PageError;
use super::form::Posted;
use super::visitor::{Membership, Visitor};
use crate::clock::Millis;
use crate::error::ApiError;
use crate::ops::alerts;
use crate::service::Service;
use crate::store::{Alert, AlertKind};

const DISMISS: &str = "/users/alerts/dismiss";

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route(DISMISS, post(dismiss))
}

/// The page that a line stands on, to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum On {
    Keys,
    Team,
}

impl On {
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Team => "team",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Keys => HOME,
            Self::Team => "/users/team/",
        }
    }
}

#[derive(Deserialize)]
struct Of {
    team: String,
    on: On,
}

#[derive(Deserialize)]
struct Which {
    alert: String,
}

/// What is still so and the visitor has not put away: a line each. Nothing where there is nothing.
///
/// # Errors
/// Where the store does not answer.
pub(super) async fn lines(
    service: &Service,
    visitor: &Visitor,
    of: &Membership,
    on: On,
) -> Result<Markup, ApiError> {
    let (caller, team) = (&visitor.caller, &of.team.id);
    let (found, more) = alerts::lines(service, caller, team, &visitor.id, Millis::now()).await?;
    let all = format!("/users/team/alerts?team={team}");
    Ok(html! {
        @if !found.is_empty() {
            section.alert-lines aria-label="Alerts" {
                @for alert in &found { (line(visitor, alert, on)) }
                @if more > 0 { p { a href=(all) { (more) " more alerts" } } }
            }
        }
    })
}

fn line(visitor: &Visitor, alert: &Alert, on: On) -> Markup {
    let action = format!("{DISMISS}?team={}&on={}", alert.team, on.name());
    let label = format!("Dismiss: {}", alert.message);
    // An alert that waits is no event of this page: nothing is announced.
    let body = html! {
        div.alert-line {
            span {
                @match &alert.key {
                    Some(key) => a href={ (HOME) (key) "/" } { (alert.message) },
                    None => a href={ "/users/team/credit?team=" (alert.team) } { (alert.message) },
                }
                " " span.muted { (ago(alert.at)) }
            }
            (form(visitor, &action, html! {
                input type="hidden" name="alert" value=(alert.id);
                button.button.button-quiet.button-small type="submit" aria-label=(label) { "Dismiss" }
            }))
        }
    };
    match alert.kind {
        AlertKind::RevokedInUse => html! { div class="notice notice-bad" role="note" { (body) } },
        _ => notice(Tone::Warn, body),
    }
}

async fn dismiss(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    of: Result<Query<Of>, axum::extract::rejection::QueryRejection>,
    Posted(which): Posted<Which>,
) -> Result<Response, PageError> {
    let Query(of) = of?;
    let team = &visitor.team(Some(&of.team))?.team.id;
    alerts::dismiss(&service, &visitor.caller, team, &which.alert, &visitor.id).await?;
    let to = format!("{}?team={team}", of.on.path());
    Ok(Redirect::to(&to).into_response())
}
