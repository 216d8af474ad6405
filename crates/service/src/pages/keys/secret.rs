//! The one page that shows a key's text: the answer of the POST that has made it. It is stored nowhere, and no address leads
//! here.

use axum::response::Response;
use maud::{Markup, html};

use super::address::key_address;
use super::example::{self, Gate};
use crate::ops::keys::Made;
use crate::pages::components::{Kind, Tone, breadcrumb, card, link_button, notice};
use crate::pages::frame::{Frame, Section};
use crate::pages::visitor::{Membership, Visitor};
use crate::store::TierInfo;

/// The page of a key that was made. `also` is said under the key.
pub(super) fn page(
    visitor: &Visitor,
    member: &Membership,
    made: &Made,
    also: Option<Markup>,
    gate: &Gate,
    tiers: &[TierInfo],
) -> Response {
    let key = &made.key;
    let frame = Frame {
        title: match made.text {
            Some(_) => "Your new API key",
            None => "This key was made already",
        },
        section: Section::Keys,
        visitor,
        team: Some(member),
    };
    let home = frame.of_team(crate::pages::HOME);
    let own = key_address(key, "");
    let done = link_button(Kind::Plain, &own, "Go to this key");
    let body = match &made.text {
        Some(text) => html! {
            (breadcrumb(&[(&home, "API Keys"), (&own, &key.name)], "New key"))
            section.card aria-labelledby="secret-heading" {
                h2 id="secret-heading" { "Key of “" (key.name) "”" }
                (shown_once(text.reveal()))
                @if let Some(also) = &also { p.hint { (also) } }
                p.buttons { (done) }
            }
            (card("Use it", example::example(gate, &example::model(key, tiers))))
        },
        None => html! {
            (breadcrumb(&[(&home, "API Keys"), (&own, &key.name)], "New key"))
            (notice(Tone::Warn, html! {
                p { "This key has been made already. Its text was shown then, and is not kept." }
                p { "If its text was lost, " a href=(key_address(key, "rotate")) { "rotate the key" } ": you get a new text with the same settings." }
            }))
            p.buttons { (done) }
        },
    };
    frame.page(body)
}

fn shown_once(text: &str) -> Markup {
    html! {
        (notice(Tone::Warn, html! {
            strong { "Copy the key now." }
            " It is not shown again: only its fingerprint is kept. Whoever has it can spend your team's credit."
        }))
        div.field.secret-field {
            label for="new-key" { "API key" }
            div.secret {
                input id="new-key" type="text" readonly value=(text) data-secret autocomplete="off" spellcheck="false" size="60";
                button.button type="button" data-shows="new-key" aria-pressed="false" hidden { "Show" }
                button.copy.button.button-primary type="button" data-copy="new-key" data-saves data-focus { "Copy key" }
            }
        }
    }
}
