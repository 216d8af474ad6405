//! Usage: what the page shows is what its table and its CSV say, and it is only the visitor's own team's.

use std::time::Duration;

use axum::http::StatusCode;
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{DAY_MS, Millis, day_name};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::common::IngestOne;
use crate::common::browser::*;
use crate::common::http::*;

/// A request of a key of acme's that many days ago, with this price in nano-dollars; it is refused where that is 0.
pub(crate) async fn used(api: &Api, key: &str, n: u8, days: i64, model: &str, cost: i64) {
    let refused = cost == 0;
    let now = Millis::now();
    let event = UsageEvent {
        id: [n; 16],
        key: KeyId::new(key).unwrap(),
        team: TeamId::new("acme").unwrap(),
        tier: TierName::new("free").unwrap(),
        model: ModelId::new(model).ok(),
        endpoint: Label::clip("/v1/chat/completions"),
        decision: Label::clip(if refused {
            "rate_limit_requests"
        } else {
            "allowed"
        })
        .into(),
        status: if refused { 429 } else { 200 },
        duration_ms: 1_234,
        started_unix_ms: u64::try_from(now.0 - days * DAY_MS).unwrap(),
        usage: Usage::Exact(if refused {
            Tokens::default()
        } else {
            Tokens::of(10, 5)
        }),
        requests: 1,
        object: None,
        request_id: Label::clip(&format!("request-{n}")),
        endpoint_group: Label::clip("chat_completions"),
    };
    let mut priced = api.service.price(event);
    priced.cost = cost;
    api.service.store.ingest(&[priced], now).await.unwrap();
}

/// Two keys with usage of two models on two days, a refusal, and a key whose name is markup.
async fn filled(api: &Api) -> String {
    let key = text(&api.key("acme").await, "id").to_owned();
    let named = json!({"team": "acme", "name": "<b>=cmd</b>", "tier": "free"});
    let other = text(&api.post("/admin/v1/keys", named).await, "id").to_owned();
    used(api, &key, 1, 0, "gpt-4o", 1_500_000_000).await;
    used(api, &key, 2, 1, "gpt-4o", 500_000_000).await;
    used(api, &other, 3, 0, "<script>", 2_000_000_000).await;
    used(api, &other, 4, 0, "gpt-4o", 0).await;
    // The time before.
    used(api, &key, 5, 8, "gpt-4o", 1_000_000_000).await;
    key
}

#[tokio::test]
async fn the_page_its_table_and_its_csv_say_the_same() {
    let api = Api::new().await;
    filled(&api).await;
    let mut viewer = Browser::member(&api, "acme", "v@example.com", "viewer").await;
    let page = viewer.get("/users/usage/?range=7d").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "Cost by model",
        // The tiles: four dollars, after one in the week before.
        "$4.00",
        "+300 %",
        "$1.00",
        // What the chart draws stands in an attribute, and a name stays text.
        "data-chart=",
        "&lt;script&gt;",
        // The refusal in plain words, with its name.
        "The limit of requests a minute is reached",
        "<code>rate_limit_requests</code>",
        "Days begin at midnight UTC",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("<script>\""), "a name is no markup");
    let today = day_name(Millis::now().day());
    let csv = viewer.get("/users/usage.csv?range=7d&by=key").await;
    let name = csv.headers["content-disposition"].to_str().unwrap();
    assert!(
        name.starts_with("attachment; filename=\"usage-acme-"),
        "{name}"
    );
    let rows: Vec<&str> = csv.body.lines().collect();
    assert_eq!(rows[0], "start,key,name,cost_usd");
    // Seven days of two keys and of all, and seven of all before.
    assert_eq!(rows.len(), 1 + 7 * 3 + 7);
    let ends = |what: &str| {
        rows.iter()
            .any(|row| row.starts_with(&today) && row.ends_with(what))
    };
    assert!(ends(",1.50") && ends(",2.00"), "{rows:?}");
    assert!(ends("All,3.50"), "{rows:?}");
    let before = rows
        .iter()
        .filter(|row| row.contains(",\"All, before\",1.00"));
    assert_eq!(before.count(), 1, "{rows:?}");
}

#[tokio::test]
async fn everything_is_in_the_address_and_a_mistake_stands_beside_its_field() {
    let api = Api::new().await;
    let key = filled(&api).await;
    let mut viewer = Browser::member(&api, "acme", "v@example.com", "viewer").await;
    for (query, status, parts) in [
        (
            "?measure=requests&by=key",
            200,
            &["Requests by API key", "&lt;b&gt;=cmd&lt;/b&gt;"][..],
        ),
        (
            "?measure=refusals&by=decision&range=24h",
            200,
            &["Refused requests by decision"],
        ),
        (
            "?by=owner&range=90d&measure=tokens",
            200,
            &["Tokens by owner", "No owner"],
        ),
        (
            "?by=tag&range=this-month",
            200,
            &["A key with several tags counts for each of them", "No tag"],
        ),
        ("?by=endpoint&range=last-month", 200, &["Cost by endpoint"]),
        (
            "?range=custom&from=2026-01-01&to=2026-11-01",
            200,
            &["2026-01-01 to 2026-11-01"],
        ),
        (
            &format!("?key={key}&by=model"),
            200,
            &["Only of the key", "Show all keys"],
        ),
        (
            "?from=2026-11-05&to=2026-11-04",
            422,
            &[
                "from-error",
                "The first day must not be after the last.",
                "2026-11-04",
            ],
        ),
        ("?range=week", 422, &["range-error", "range must be one of"]),
        ("?by=team", 422, &["by-error"]),
        ("?measure=joy", 422, &["measure must be one of"]),
        ("?key=key_nobody", 404, &[]),
        ("?team=umbrella", 404, &[]),
    ] {
        let page = viewer.get(&format!("/users/usage/{query}")).await;
        assert_eq!(page.status.as_u16(), status, "{query}");
        for part in parts {
            assert!(page.body.contains(part), "{query}: {part}");
        }
    }
}

#[tokio::test]
async fn a_team_is_shown_its_money() {
    let api = Api::new().await;
    filled(&api).await;
    let mut viewer = Browser::member(&api, "acme", "v@example.com", "viewer").await;
    let billed = viewer.get("/users/usage/").await;
    for part in [
        "billed afterwards",
        "This month so far",
        "This month, projected",
    ] {
        assert!(billed.body.contains(part), "{part}");
    }
    api.post(
        "/admin/v1/teams/acme/credit",
        json!({"amount_usd": "100.00"}),
    )
    .await;
    let prepaid = viewer.get("/users/usage/").await;
    for part in [
        "Balance",
        "$95.00",
        "Not before 20",
        "Topped up: $100.00",
        "Show the balance by day",
    ] {
        assert!(prepaid.body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn numbers_stay_current() {
    let api = Api::new().await;
    let key = filled(&api).await;
    let mut viewer = Browser::member(&api, "acme", "v@example.com", "viewer").await;
    let live = async |viewer: &mut Browser<'_>, path: &str| -> Value {
        let answer = viewer.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        serde_json::from_str(&answer.body).unwrap()
    };
    let usage = "/users/usage/live?measure=requests&range=7d";
    let keys = format!("/users/api-keys/live?ids={key}");
    let before = live(&mut viewer, usage).await;
    assert_eq!(
        (
            &before["numbers"]["total.requests"],
            &before["numbers"]["total.cost"]
        ),
        (&json!("4"), &json!("$4.00"))
    );
    used(&api, &key, 9, 0, "gpt-4o", 250_000_000).await;
    // On a busy machine the last answer is kept for a moment.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut after = live(&mut viewer, usage).await;
    while after["numbers"]["total.requests"] != "5" {
        assert!(Instant::now() < deadline, "{after}");
        after = live(&mut viewer, usage).await;
    }
    assert_eq!(after["numbers"]["total.cost"], "$4.25");
    assert_eq!(after["chart"]["unit"], "count");
    let of_key = live(&mut viewer, &keys).await;
    assert_eq!(of_key["numbers"][format!("{key}.requests")], "4");
    assert_eq!(of_key["numbers"][format!("{key}.cost")], "$3.25");
    assert!(
        of_key["numbers"][format!("{key}.last_used")]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    // Another team's key has nothing to tell.
    let other = text(&api.key("umbrella").await, "id").to_owned();
    let none = live(&mut viewer, &format!("/users/api-keys/live?ids={other}")).await;
    assert_eq!(none["numbers"][format!("{other}.requests")], "0");
    assert_eq!(none["numbers"][format!("{other}.last_used")], Value::Null);
}

#[tokio::test]
async fn a_request_is_found_by_its_id_and_only_by_its_own_team() {
    let api = Api::new().await;
    let key = filled(&api).await;
    api.key("umbrella").await;
    let mut own = Browser::member(&api, "acme", "v@example.com", "viewer").await;
    let page = own.get("/users/requests/?id=request-1").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "request-1",
        "1,234 ms",
        "Passed on to the upstream",
        "$1.50",
        &key,
        "As the provider counted them",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let empty = own.get("/users/requests/").await;
    assert!(empty.status == StatusCode::OK && empty.body.contains("Find a request"));
    let mut stranger = Browser::member(&api, "umbrella", "u@example.com", "owner").await;
    let page = stranger.get("/users/requests/?id=request-1").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(
        page.body.contains("There is no record of this request") && !page.body.contains("$1.50")
    );
    let page = stranger
        .get("/users/requests/?id=request-1&team=acme")
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let nobody = Browser::new(&api).get("/users/usage/").await;
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);
}
