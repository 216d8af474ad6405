//! Markup in every name that a page shows and in every field that it shows again: it stays text.

use axum::http::{Method, header};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::Millis;
use gmtech_service::secret::random;
use serde_json::json;

use crate::common::IngestOne;
use crate::common::browser::*;
use crate::common::http::*;
use crate::routes::*;

/// Ends a text, an attribute and a script, and would run.
const MARKUP: &str = "'\"></script><img src=x onerror=alert(1)>";

/// What no page may hold.
const ALIVE: [&str; 2] = ["<img", "\"></script>"];

/// The address's parameters that some page reads.
const PARAMETERS: [&str; 26] = [
    "search",
    "owner",
    "tag",
    "status",
    "tier",
    "sort",
    "reverse",
    "after",
    "skip",
    "look",
    "measure",
    "by",
    "range",
    "from",
    "to",
    "key",
    "id",
    "actor",
    "action",
    "subject",
    "model",
    "next",
    "signed_out",
    "email",
    "team",
    "ids",
];

/// Gives everything that has a name, and whatever a client may name, that name.
async fn named(api: &Api) {
    let rename = json!({"name": MARKUP});
    let (status, _) = api
        .ask(ADMIN, Method::PATCH, "/admin/v1/teams/acme", Some(rename))
        .await;
    assert!(status.is_success());
    let key = json!({"team": "acme", "name": MARKUP, "metadata": {"of": MARKUP}});
    let key = api.post("/admin/v1/keys", key).await;
    let token = json!({"name": MARKUP, "role": "reader"});
    api.post("/admin/v1/tokens", token).await;
    let credit = json!({"amount_usd": "5", "note": MARKUP});
    api.post("/admin/v1/teams/acme/credit", credit).await;
    for who in ["owner", "admin"] {
        let mut browser = visitor(api, who).await;
        let renamed = browser
            .post("/users/account/name", &[("name", MARKUP)])
            .await;
        assert_eq!(renamed.status, 303, "{}", renamed.body);
    }
    for decision in ["allowed", "rate_limit_requests", MARKUP] {
        used(api, text(&key, "id"), MARKUP, decision).await;
    }
}

/// A request of a key of acme's, in which the client has named everything that it can name.
async fn used(api: &Api, key: &str, name: &str, decision: &str) {
    let now = Millis::now();
    let event = UsageEvent {
        id: random().unwrap(),
        key: KeyId::new(key).unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: ModelId::new(name).ok(),
        endpoint: Label::clip(name),
        decision: Label::clip(decision).into(),
        status: 200,
        duration_ms: 1,
        started_unix_ms: now.unix_seconds() * 1_000,
        usage: Usage::Exact(Tokens::of(10, 5)),
        requests: 1,
        object: None,
        request_id: Label::clip(&format!("request-{name}")),
        endpoint_group: Label::clip(name),
    };
    let priced = api.service.price(event);
    api.service.store.ingest(&[priced], now).await.unwrap();
}

fn assert_text(what: &str, answer: &Answer) {
    let kind = answer.headers.get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    for part in ALIVE.iter().filter(|_| is_page) {
        assert!(
            !answer.body.contains(part),
            "{what}: {part} in {}",
            answer.body
        );
    }
}

fn with(address: &str, name: &str, value: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!(
        "{address}{joint}{}",
        serde_html_form::to_string([(name, value)]).unwrap()
    )
}

#[tokio::test]
async fn names_are_text_on_every_page_of_everybody() {
    let api = stage().await;
    named(&api).await;
    let mut shown = 0;
    for row in rows().iter().filter(|row| row.does != Does::TakesAForm) {
        for (who, _) in row.visitors() {
            let mut browser = visitor(&api, who).await;
            let filled = fill(&api, row, Things::There).await;
            let answer = filled.send(&mut browser).await;
            assert_text(row.address, &answer);
            shown += usize::from(answer.body.contains("&lt;img src=x"));
        }
    }
    let mut owner = visitor(&api, "owner").await;
    for address in [
        "/users/usage/?team=acme&by=model",
        "/users/usage/?team=acme&by=key",
        "/users/usage/?team=acme&by=endpoint",
        "/users/usage/?team=acme&by=decision&measure=refusals",
        "/users/team/audit?team=acme",
        "/users/api-keys/?team=acme",
    ] {
        let answer = owner.get(address).await;
        assert_text(address, &answer);
        assert!(
            answer.body.contains("&lt;img src=x"),
            "{address} does not show it"
        );
        shown += 1;
    }
    let id = with(
        "/users/requests/?team=acme",
        "id",
        &format!("request-{MARKUP}"),
    );
    let record = owner.get(&id).await;
    assert_text("a record", &record);
    assert!(shown > 60, "{shown}");
}

#[tokio::test]
async fn what_was_typed_is_text_when_it_is_shown_again() {
    let api = stage().await;
    for row in rows() {
        let Some(user) = row.user() else { continue };
        let mut browser = visitor(&api, user).await;
        let filled = fill(&api, &row, Things::There).await;
        if row.does != Does::TakesAForm {
            for parameter in PARAMETERS {
                let answer = browser.get(&with(&filled.address, parameter, MARKUP)).await;
                assert_text(&format!("{} {parameter}", row.address), &answer);
            }
            continue;
        }
        let names: Vec<String> = filled.fields.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            let mut filled = fill(&api, &row, Things::There).await;
            for (field, value) in &mut filled.fields {
                if *field == name {
                    MARKUP.clone_into(value);
                }
            }
            let mut browser = visitor(&api, user).await;
            let answer = filled.send(&mut browser).await;
            assert_text(&format!("{} {name}", row.address), &answer);
            if answer.status.is_redirection() {
                // What was done is said on the next page.
                let told = browser.get(answer.location()).await;
                assert_text(&format!("after {} {name}", row.address), &told);
            }
        }
    }
}

#[tokio::test]
async fn no_cell_of_a_spreadsheet_is_a_formula() {
    let api = stage().await;
    for name in [
        "=HYPERLINK(\"https://evil.example\")",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
    ] {
        let key = json!({"team": "acme", "name": name});
        let key = api.post("/admin/v1/keys", key).await;
        used(&api, text(&key, "id"), name, "allowed").await;
    }
    let mut viewer = visitor(&api, "viewer").await;
    let mut guarded = 0;
    for by in ["model", "key", "tag", "owner", "endpoint", "decision"] {
        let csv = viewer
            .get(&format!("/users/usage.csv?team=acme&by={by}"))
            .await
            .body;
        let mut reader = csv.lines();
        reader.next();
        for cell in reader.flat_map(|row| row.split([',', '"'])) {
            let formula = cell.starts_with(['=', '+', '@']) || cell.starts_with("-1");
            assert!(!formula, "{by}: {cell}");
            guarded += usize::from(cell.starts_with("'="));
        }
    }
    assert!(guarded >= 3, "{guarded}");
}
