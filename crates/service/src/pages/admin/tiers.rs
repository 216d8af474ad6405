//! Tiers: the limits and models that many keys share.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use gmtech_core::tier::Tier;
use maud::{Markup, html};
use serde::Deserialize;

use super::proxies::explained;
use super::{Admin, Nothing, Part, Question, given};
use crate::error::ApiError;
use crate::ops::proxies;
use crate::ops::tiers::{self, CreateTier, TierInUse, UpdateTier};
use crate::pages::components::{
    Column, Field, Kind, Tone, badge, button, count, form, link_button, mistakes, table, tags,
    textarea,
};
use crate::pages::error::PageError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::visitor::Visitor;
use crate::service::Service;
use crate::store::policy::DEFAULT_TIER;

const NEW: &str = "/users/admin/tiers/new";

/// At this many keys the count ends.
const COUNTED: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route(Part::Tiers.path(), get(list))
        .route(NEW, get(new).post(create))
        .route("/users/admin/tiers/{name}/edit", get(edit).post(update))
        .route("/users/admin/tiers/{name}/remove", get(ask).post(remove))
}

async fn list(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
) -> Result<Response, PageError> {
    let tiers = tiers::list(&service, &visitor.caller).await?;
    let (_, known) = proxies::list(&service, &visitor.caller).await?;
    let differ = proxies::tiers_that_differ(&known);
    let at = |of: &TierInUse| differ.get(&of.info.name).copied().unwrap_or(0);
    let rows: Vec<Markup> = tiers.iter().map(|of| row(of, at(of))).collect();
    let columns = [
        Column::new("Tier"),
        Column::new("Requests a minute").right(),
        Column::new("Tokens a minute").right(),
        Column::new("At once").right(),
        Column::new("Models"),
        Column::new("Keys").right(),
        Column::new("Actions").hidden(),
    ];
    let body = html! {
        p.hint {
            "A change reaches every proxy with its next poll. Keys in a proxy's own configuration keep the tiers that are \
             configured there; where the two differ is shown here, on the page of the " a href=(Part::Proxies.path()) { "proxies" }
            ", and by " code { "gmtech doctor" } "."
        }
        @if !differ.is_empty() { (explained()) }
        (table("Tiers", &columns, &rows))
    };
    let add = link_button(Kind::Primary, NEW, "Create tier");
    Ok(Part::Tiers.page(&visitor, add, body))
}

/// `differs` is the number of live proxies that are configured otherwise.
fn row(of: &TierInUse, differs: usize) -> Markup {
    let (name, tier) = (of.info.name.as_str(), &of.info.tier);
    let rate = |rate: u32, burst: Option<u32>| {
        html! {
            (count(rate.into()))
            @if let Some(burst) = burst { div.hint { "burst " (count(burst.into())) } }
        }
    };
    let models: Vec<String> = tier
        .models
        .patterns()
        .iter()
        .cloned()
        .map(String::from)
        .collect();
    html! {
        tr {
            th scope="row" {
                (name)
                @if name == DEFAULT_TIER { " " (badge(Tone::Info, "Default")) }
                @match differs {
                    0 => {}
                    1 => { " " (badge(Tone::Warn, "Differs at 1 proxy")) }
                    n => { " " (badge(Tone::Warn, &format!("Differs at {n} proxies"))) }
                }
            }
            td.right data-label="Requests a minute" {
                div { (rate(tier.requests_per_minute.get(), tier.requests_burst.map(Into::into))) }
            }
            td.right data-label="Tokens a minute" {
                div { (rate(tier.tokens_per_minute.get(), tier.tokens_burst.map(Into::into))) }
            }
            td.right data-label="At once" { @match tier.max_in_flight { Some(n) => (n), None => "Any" } }
            td data-label="Models" { @if tier.models.is_any() { "All" } @else { (tags(&models)) } }
            td.right data-label="Keys" { (keys(of.keys)) }
            td {
                span.buttons {
                    a.button.button-small href={ (Part::Tiers.path()) (name) "/edit" } aria-label={ "Edit " (name) } { "Edit" }
                    @if name != DEFAULT_TIER {
                        a.button.button-small href={ (Part::Tiers.path()) (name) "/remove" } aria-label={ "Remove " (name) } { "Remove" }
                    }
                }
            }
        }
    }
}

fn keys(counted: u32) -> String {
    match counted {
        COUNTED.. => format!("{} or more", count(COUNTED.into())),
        fewer => count(fewer.into()),
    }
}

/// What stands in the form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Draft {
    name: String,
    requests_per_minute: String,
    requests_burst: String,
    tokens_per_minute: String,
    tokens_burst: String,
    max_in_flight: String,
    models: String,
}

impl Draft {
    fn of(name: &str, tier: &Tier) -> Self {
        let optional = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let models = tier.models.patterns().iter().cloned().map(String::from);
        Self {
            name: name.to_owned(),
            requests_per_minute: tier.requests_per_minute.to_string(),
            requests_burst: optional(tier.requests_burst.map(Into::into)),
            tokens_per_minute: tier.tokens_per_minute.to_string(),
            tokens_burst: optional(tier.tokens_burst.map(Into::into)),
            max_in_flight: optional(tier.max_in_flight.map(Into::into)),
            models: models.collect::<Vec<_>>().join("\n"),
        }
    }

    fn asked(&self) -> Result<CreateTier, ApiError> {
        Ok(CreateTier {
            name: self.name.trim().to_owned(),
            requests_per_minute: number("requests_per_minute", &self.requests_per_minute)?,
            requests_burst: optional("requests_burst", &self.requests_burst)?,
            tokens_per_minute: number("tokens_per_minute", &self.tokens_per_minute)?,
            tokens_burst: optional("tokens_burst", &self.tokens_burst)?,
            max_in_flight: optional("max_in_flight", &self.max_in_flight)?,
            models: self.models(),
        })
    }

    /// One pattern a line, or between commas; none is all models.
    fn models(&self) -> Option<Vec<String>> {
        let patterns = self.models.split(['\n', ',']).filter_map(given);
        let patterns: Vec<String> = patterns.map(str::to_owned).collect();
        (!patterns.is_empty()).then_some(patterns)
    }

    fn changes(&self) -> Result<UpdateTier, ApiError> {
        let asked = self.asked()?;
        Ok(UpdateTier {
            requests_per_minute: Some(asked.requests_per_minute),
            requests_burst: Some(asked.requests_burst),
            tokens_per_minute: Some(asked.tokens_per_minute),
            tokens_burst: Some(asked.tokens_burst),
            max_in_flight: Some(asked.max_in_flight),
            models: Some(asked.models),
        })
    }
}

/// A whole number as people write it: its thousands may be apart.
fn number(field: &str, text: &str) -> Result<u32, ApiError> {
    let digits: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ',' | ' ' | '_'))
        .collect();
    let wrong = |_| ApiError::invalid(field, "Enter a whole number, such as 3,000.");
    digits.parse().map_err(wrong)
}

fn optional(field: &str, text: &str) -> Result<Option<u32>, ApiError> {
    given(text).map(|text| number(field, text)).transpose()
}

async fn new(Admin(visitor): Admin) -> Response {
    show(&visitor, &Draft::default(), None, None)
}

/// The form of the tier `of`, or of a new one.
fn show(
    visitor: &Visitor,
    draft: &Draft,
    of: Option<&str>,
    mistake: Option<&ApiError>,
) -> Response {
    let names = [
        "name",
        "requests_per_minute",
        "requests_burst",
        "tokens_per_minute",
        "tokens_burst",
        "max_in_flight",
        "models",
    ];
    let (title, action, verb) = match of {
        None => ("Create tier".to_owned(), NEW.to_owned(), "Create tier"),
        Some(name) => (
            format!("Edit {name}"),
            format!("{}{name}/edit", Part::Tiers.path()),
            "Save tier",
        ),
    };
    let burst = "How many at once from a full bucket. Empty: as many as in a minute.";
    let fields = html! {
        (mistakes(&names, mistake))
        @if of.is_none() {
            (Field::new("name", "Name").value(&draft.name).hint("Letters, digits, _ or -. It cannot be changed.").required().show(mistake))
        }
        (Field::new("requests_per_minute", "Requests a minute").value(&draft.requests_per_minute).required().show(mistake))
        (Field::new("requests_burst", "Requests burst").value(&draft.requests_burst).hint(burst).show(mistake))
        (Field::new("tokens_per_minute", "Tokens a minute").value(&draft.tokens_per_minute).required().show(mistake))
        (Field::new("tokens_burst", "Tokens burst").value(&draft.tokens_burst).hint(burst).show(mistake))
        (Field::new("max_in_flight", "Requests at once").value(&draft.max_in_flight).hint("Requests under way at the same time. Empty: any number.").show(mistake))
        (textarea("models", "Models", &draft.models, "One pattern a line, such as gpt-4o*. Empty: all models.", mistake))
        div.buttons {
            (button(Kind::Primary, verb))
            (link_button(Kind::Plain, Part::Tiers.path(), "Cancel"))
        }
    };
    let body = html! { div.card { (form(visitor, &action, fields)) } };
    Part::Tiers.under(visitor, &title, mistake, body)
}

async fn create(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let made = match draft.asked() {
        Ok(asked) => tiers::create(&service, &visitor.caller, asked).await,
        Err(mistake) => Err(mistake),
    };
    match made {
        Ok(made) => {
            let done = Notice::good(format!("The tier {} was created.", made.info.name));
            done.and_go(visitor.session(), Part::Tiers.path()).await
        }
        Err(mistake) => Ok(show(&visitor, &draft, None, Some(&mistake))),
    }
}

async fn edit(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let of = tiers::show(&service, &visitor.caller, &name).await?;
    let draft = Draft::of(&name, &of.info.tier);
    Ok(show(&visitor, &draft, Some(&name), None))
}

async fn update(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(name): Path<String>,
    Posted(draft): Posted<Draft>,
) -> Result<Response, PageError> {
    let changed = match draft.changes() {
        Ok(changes) => tiers::update(&service, &visitor.caller, &name, changes).await,
        Err(mistake) => Err(mistake),
    };
    match changed {
        Ok(_) => {
            let text = format!("The tier {name} was saved. Proxies apply it with their next poll.");
            Notice::good(text)
                .and_go(visitor.session(), Part::Tiers.path())
                .await
        }
        Err(mistake) => Ok(show(&visitor, &draft, Some(&name), Some(&mistake))),
    }
}

async fn ask(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    question(&service, &visitor, &name, None).await
}

async fn question(
    service: &Service,
    visitor: &Visitor,
    name: &str,
    mistake: Option<&ApiError>,
) -> Result<Response, PageError> {
    let of = tiers::show(service, &visitor.caller, name).await?;
    let text = match of.keys {
        0 => format!("No key has the tier {name}. This cannot be undone."),
        1 => format!(
            "1 key has the tier {name}. Give it another tier first, or revoke it; until then it stays."
        ),
        n => format!(
            "{} keys have the tier {name}. Give them another tier first, or revoke them; until then it stays.",
            keys(n)
        ),
    };
    let asked = Question {
        title: &format!("Remove {name}?"),
        text: &text,
        verb: "Remove tier",
        action: &format!("{}{name}/remove", Part::Tiers.path()),
    };
    Ok(Part::Tiers.confirm(visitor, &asked, mistake))
}

async fn remove(
    State(service): State<Arc<Service>>,
    Admin(visitor): Admin,
    Path(name): Path<String>,
    Posted(Nothing {}): Posted<Nothing>,
) -> Result<Response, PageError> {
    match tiers::remove(&service, &visitor.caller, &name).await {
        Ok(()) => {
            let done = Notice::good(format!("The tier {name} was removed."));
            done.and_go(visitor.session(), Part::Tiers.path()).await
        }
        Err(mistake) => question(&service, &visitor, &name, Some(&mistake)).await,
    }
}
