//! Tiers over the management API.

use axum::http::Method;
use serde_json::{Value, json};

use crate::common::http::*;

#[tokio::test]
async fn a_new_service_has_the_tiers_that_customers_are_promised() {
    let api = Api::new().await;
    let tiers = api.get("/admin/v1/tiers").await;
    let shown = |tier: &Value| {
        let number = |name: &str| tier[name].as_u64().unwrap();
        (
            text(tier, "name").to_owned(),
            number("requests_per_minute"),
            number("tokens_per_minute"),
        )
    };
    let shown: Vec<_> = tiers["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(shown)
        .collect();
    let promised = [
        ("free", 60, 40_000),
        ("pro", 3_000, 250_000),
        ("team", 5_000, 500_000),
    ];
    assert_eq!(shown, promised.map(|(n, r, t)| (n.to_owned(), r, t)));
}

#[tokio::test]
async fn a_mistake_in_a_tier_names_its_field() {
    let api = Api::new().await;
    let rates = |requests: Value| json!({"name": "gold", "requests_per_minute": requests, "tokens_per_minute": 1});
    let with = |field: &str, value: Value| {
        let mut body = rates(json!(1));
        body[field] = value;
        body
    };
    for (body, field) in [
        (rates(json!(0)), "requests_per_minute"),
        (rates(json!(1_000_000_001)), "requests_per_minute"),
        (with("tokens_burst", json!(0)), "tokens_burst"),
        (
            with("requests_burst", json!(4_000_000_000_u32)),
            "requests_burst",
        ),
        (with("max_in_flight", json!(1_025)), "max_in_flight"),
        (with("models", json!([])), "models"),
        (with("models", json!(["g*o"])), "models"),
        (with("name", json!("")), "name"),
        (with("name", json!("g.o")), "name"),
        (with("name", json!("free tier")), "name"),
    ] {
        let (status, answer) = api
            .ask(ADMIN, Method::POST, "/admin/v1/tiers", Some(body.clone()))
            .await;
        let told = (status.as_u16(), &answer["error"]["param"]);
        assert_eq!(told, (400, &json!(field)), "{body}: {answer}");
    }
}

#[tokio::test]
async fn tiers_are_made_changed_and_removed() {
    let api = Api::new().await;
    let gold = json!({"name": "gold", "requests_per_minute": 7, "tokens_per_minute": 900, "models": ["gpt-4o*"]});
    let ask = |method: Method, path: &str, body: Value| {
        let path = format!("/admin/v1/tiers{path}");
        let api = &api;
        async move {
            let (status, answer) = api.ask(ADMIN, method, &path, Some(body)).await;
            (status.as_u16(), answer)
        }
    };
    assert_eq!(ask(Method::POST, "", gold.clone()).await.0, 201);
    assert_eq!(ask(Method::POST, "", gold).await.0, 409);
    let change = json!({"requests_burst": 3, "models": null});
    let (status, changed) = ask(Method::PATCH, "/gold", change).await;
    assert_eq!(
        (status, &changed["requests_burst"], &changed["models"]),
        (200, &json!(3), &Value::Null)
    );
    assert_eq!(changed["tokens_per_minute"], json!(900));
    let (_, changed) = ask(Method::PATCH, "/gold", json!({"requests_burst": null})).await;
    assert_eq!(changed["requests_burst"], Value::Null);

    let of_gold = json!({"team": "acme", "name": "ci", "tier": "gold"});
    api.post("/admin/v1/teams", json!({"id": "acme"})).await;
    let key = api.post("/admin/v1/keys", of_gold.clone()).await;
    let (status, refused) = ask(Method::DELETE, "/gold", json!({})).await;
    assert_eq!(status, 409, "{refused}");
    let revoke = format!("/admin/v1/keys/{}/revoke", text(&key, "id"));
    api.post(&revoke, json!({})).await;
    assert_eq!(ask(Method::DELETE, "/gold", json!({})).await.0, 204);
    assert_eq!(ask(Method::DELETE, "/gold", json!({})).await.0, 404);
    let (status, refused) = api
        .ask(ADMIN, Method::POST, "/admin/v1/keys", Some(of_gold))
        .await;
    let told = (status.as_u16(), refused["error"]["param"].clone());
    assert_eq!(told, (400, json!("tier")));
    let (status, refused) = ask(Method::DELETE, "/free", json!({})).await;
    assert_eq!(status, 409, "the default tier stays: {refused}");
}
