//! A team's page: its members, its credit, its alerts, its policy, and its audit log, each at an address of its own.

mod alerts;
mod audit;
mod credit;
mod members;
mod policy;

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::components::{Tone, badge};
use super::error::PageError;
use super::frame::{Frame, Section};
use super::visitor::{Membership, Visitor};
use crate::error::ApiError;
use crate::service::Service;
use crate::store::MemberRole;

pub(super) fn routes() -> Router<Arc<Service>> {
    members::routes()
        .merge(credit::routes())
        .merge(alerts::routes())
        .merge(policy::routes())
        .merge(audit::routes())
}

/// Which team, in the address of every page and form here.
#[derive(Deserialize)]
struct Of {
    #[serde(default)]
    team: String,
}

/// The team of the address, as an extractor of the query.
type OfTeam = Result<Query<Of>, axum::extract::rejection::QueryRejection>;

/// The team that is looked at.
fn team(visitor: &Visitor, of: OfTeam) -> Result<&Membership, PageError> {
    let Query(of) = of?;
    visitor.team(Some(&of.team))
}

/// The parts of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Members,
    Credit,
    Alerts,
    Policy,
    Audit,
}

impl Part {
    const ALL: [Self; 5] = [
        Self::Members,
        Self::Credit,
        Self::Alerts,
        Self::Policy,
        Self::Audit,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Members => "Members",
            Self::Credit => "Credit",
            Self::Alerts => "Alerts",
            Self::Policy => "Policy",
            Self::Audit => "Audit log",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Members => "/users/team/",
            Self::Credit => "/users/team/credit",
            Self::Alerts => "/users/team/alerts",
            Self::Policy => "/users/team/policy",
            Self::Audit => "/users/team/audit",
        }
    }
}

/// The address of something of a team.
fn address(path: &str, of: &Membership) -> String {
    format!("{path}?team={}", of.team.id)
}

/// Whether the visitor may change the team's members.
fn owns(of: &Membership) -> bool {
    of.role == MemberRole::Owner
}

/// A part of the page; 422 where a form of it has a mistake.
fn page(
    visitor: &Visitor,
    of: &Membership,
    part: Part,
    mistake: Option<&ApiError>,
    body: Markup,
) -> Response {
    let frame = Frame {
        title: "Team",
        section: Section::Team,
        visitor,
        team: Some(of),
    };
    let body = html! {
        p {
            strong { (of.team.name) } " "
            @if of.team.name != of.team.id.as_str() { span.muted { (of.team.id) } " " }
            @if of.team.closed_at.is_some() { (badge(Tone::Bad, "Closed")) }
            @if of.team.name.ends_with("(sample data)") { (badge(Tone::Info, "Sample data")) }
        }
        nav.sub-nav aria-label="Parts of the team" {
            @for other in Part::ALL {
                a href=(address(other.path(), of)) aria-current=[(other == part).then_some("page")] {
                    (other.label())
                }
            }
        }
        (body)
    };
    let mut response = frame.page(body);
    if mistake.is_some() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// A mistake that the form shows again; anything else is a page of its own.
fn mistake(error: ApiError) -> Result<ApiError, PageError> {
    let shown = [
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    match shown.contains(&error.status()) {
        true => Ok(error),
        false => Err(error.into()),
    }
}
