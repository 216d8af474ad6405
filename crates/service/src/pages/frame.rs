//! The frame of every page of somebody who has signed in: navigation and notices.

use axum::response::Response;
use maud::{Markup, html};

use super::HOME;
use super::components::{Tone, badge, notice};
use super::document::document;
use super::notice::{Notice, NoticeKind};
use super::visitor::{Membership, Visitor};

/// The parts of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Keys,
    Usage,
    Limits,
    Team,
    Admin,
    Account,
}

impl Section {
    /// Every part, in the order of the navigation.
    pub(super) const ALL: [Self; 6] = [
        Self::Keys,
        Self::Usage,
        Self::Limits,
        Self::Team,
        Self::Admin,
        Self::Account,
    ];

    /// What the navigation shows, in its order.
    const NAVIGATION: [Self; 5] = [
        Self::Keys,
        Self::Usage,
        Self::Limits,
        Self::Team,
        Self::Admin,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Keys => "API Keys",
            Self::Usage => "Usage",
            Self::Limits => "Limits",
            Self::Team => "Team",
            Self::Admin => "Admin",
            Self::Account => "Account",
        }
    }

    /// Its first page.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Keys => HOME,
            Self::Usage => "/users/usage/",
            Self::Limits => "/users/limits/",
            Self::Team => "/users/team/",
            Self::Admin => "/users/admin/teams/",
            Self::Account => "/users/account/",
        }
    }
}

/// What stands around a page's own part.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) section: Section,
    pub(super) visitor: &'a Visitor,
    /// The team that is looked at; `None` on pages about no team.
    pub(super) team: Option<&'a Membership>,
}

impl Frame<'_> {
    /// The whole page: its title as the heading, then `body`.
    pub(super) fn page(&self, body: Markup) -> Response {
        self.page_with(html! {}, body)
    }

    /// The whole page, with buttons beside its heading.
    pub(super) fn page_with(&self, actions: Markup, body: Markup) -> Response {
        let body = html! {
            a.skip-link href="#main" { "Skip to content" }
            header.site-header { (self.bar()) (self.navigation()) }
            main.page id="main" tabindex="-1" {
                @for of in &self.visitor.notices { (told(of)) }
                div.page-head { h1 { (self.title) } div.buttons { (actions) } }
                (body)
            }
            div.visually-hidden id="live" role="status" {}
        };
        document(self.title, body)
    }

    /// The address of a page about the team that is looked at.
    pub(super) fn of_team(&self, path: &str) -> String {
        match self.team {
            Some(of) => format!("{path}?team={}", of.team.id),
            None => path.to_owned(),
        }
    }

    fn bar(&self) -> Markup {
        html! {
            div.site-bar {
                a.brand href=(self.of_team(HOME)) { (mark()) "GMTech" }
                (badge(Tone::Accent, "Beta"))
                @if self.visitor.teams.len() > 1 { (self.team_switch()) }
                @else if let Some(of) = self.team { span.muted { (of.team.name) } }
                span.spacer {}
                details.menu {
                    summary.button.button-quiet { span.who { (self.visitor.email) } }
                    div.menu-items {
                        span.menu-text { "Signed in as " (self.visitor.email) }
                        a href="/users/account/" aria-current=[current(self.section == Section::Account)] { "Account" }
                        form method="post" action="/users/sign-out" {
                            input type="hidden" name="csrf" value=(self.visitor.csrf);
                            button type="submit" { "Sign out" }
                        }
                    }
                }
            }
        }
    }

    /// Another team's page of the same section. Without script a button sends it.
    fn team_switch(&self) -> Markup {
        let here = self.team.map(|of| of.team.id.as_str());
        let to = match self.section {
            Section::Admin | Section::Account => HOME,
            section => section.path(),
        };
        html! {
            form.team-switch method="get" action=(to) {
                label.visually-hidden for="team-switch" { "Team" }
                select id="team-switch" name="team" data-submits {
                    @if here.is_none() { option value="" selected { "Choose a team" } }
                    @for of in &self.visitor.teams {
                        option value=(of.team.id) selected[here == Some(of.team.id.as_str())] { (of.team.name) }
                    }
                }
                button.button type="submit" { "Switch" }
            }
        }
    }

    fn navigation(&self) -> Markup {
        let admin = self.visitor.admin;
        let sections = Section::NAVIGATION
            .into_iter()
            .filter(|section| *section != Section::Admin || admin);
        html! {
            nav.site-nav aria-label="Main" {
                @for section in sections {
                    a href=(self.of_team(section.path())) aria-current=[current(section == self.section)] { (section.label()) }
                }
            }
        }
    }
}

/// What is said once, after a form.
fn told(of: &Notice) -> Markup {
    let tone = match of.kind {
        NoticeKind::Good => Tone::Good,
        NoticeKind::Bad => Tone::Bad,
    };
    notice(tone, html! { (of.text) })
}

fn current(is: bool) -> Option<&'static str> {
    is.then_some("page")
}

/// The product's mark: a gate.
fn mark() -> Markup {
    html! {
        svg.brand-mark viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"
            stroke-linejoin="round" aria-hidden="true" {
            path d="M4 21V8a8 8 0 0 1 16 0v13" {}
            circle cx="12" cy="12" r="2.4" {}
            path d="M12 14.4V21" {}
        }
    }
}
