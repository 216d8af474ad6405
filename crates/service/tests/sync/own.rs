//! What a key asks about its own account.

use axum::http::Method;
use gmtech_core::sync::own;
use serde_json::{Value, json};

use crate::common::http::*;
use crate::usage::{event, send};

async fn ask(api: &Api, path: &str) -> (u16, Value) {
    let path = format!("/sync/v1/own/{path}");
    let (status, bytes) = api.sync(PROXY, Method::GET, &path, vec![]).await;
    assert_eq!(status.as_u16(), 200, "{path}");
    let answer = own::decode(&bytes).unwrap();
    (answer.status, serde_json::from_str(answer.json).unwrap())
}

#[tokio::test]
async fn a_key_is_told_what_it_may_spend_and_has_spent() {
    let api = Api::new().await;
    let new = json!({"team": "acme", "name": "ci", "tier": "pro", "models": ["gpt-4o*"],
        "budgets": {"day_nano_usd": 5_000_000_000_i64, "month_nano_usd": 2_000_000_000_i64}});
    api.post("/admin/v1/teams", json!({"id": "acme"})).await;
    let key = api.post("/admin/v1/keys", new).await;
    let id = text(&key, "id").to_owned();
    let (status, told) = ask(&api, &format!("{id}/key")).await;
    let data = &told["data"];
    assert_eq!(status, 200);
    for (field, value) in [
        ("label", json!("ci")),
        ("limit", json!(2.0)),
        ("limit_reset", json!("monthly")),
        ("limit_remaining", json!(2.0)),
        ("usage", json!(0.0)),
        ("is_free_tier", json!(false)),
        ("expires_at", Value::Null),
        ("tier", json!("pro")),
        ("models", json!(["gpt-4o*"])),
        ("rate_limit", json!({"requests": 3_000, "interval": "1m"})),
    ] {
        assert_eq!(data[field], value, "{field}: {told}");
    }
    assert_eq!(data["budgets"]["day"]["limit"], json!(5.0));

    send(&api, &[event(&key, 1, "gpt-4o"), event(&key, 2, "gpt-4o")]).await;
    let (_, told) = ask(&api, &format!("{id}/key")).await;
    let data = &told["data"];
    let spent = data["usage"].as_f64().unwrap();
    assert!(spent > 0.0);
    for field in ["usage_daily", "usage_weekly", "usage_monthly"] {
        assert_eq!(data[field].as_f64(), Some(spent), "{field}");
    }
    let left = data["limit_remaining"].as_f64().unwrap();
    assert!((left - (2.0 - spent)).abs() < 1e-9, "{told}");

    let (status, used) = ask(&api, &format!("{id}/usage")).await;
    let row = &used["data"][0];
    assert_eq!(
        (status, &row["requests"], &row["model"]),
        (200, &json!(2), &json!("gpt-4o"))
    );
    assert_eq!(row["cost"].as_f64(), Some(spent));

    // A key that continues it has the same account.
    let rotate = format!("/admin/v1/keys/{id}/rotate");
    let rotated = api.post(&rotate, json!({})).await;
    let next = text(&rotated, "id");
    let (_, told) = ask(&api, &format!("{next}/key")).await;
    assert_eq!(told["data"]["usage"].as_f64(), Some(spent));
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told_to_the_one_who_asks() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    let id = text(&key, "id");
    for (path, status, param) in [
        (
            format!("{id}/usage?from=2026-11-01&to=2026-11-02"),
            200,
            None,
        ),
        (format!("{id}/usage?from=yesterday"), 400, Some("from")),
        (
            format!("{id}/usage?from=2026-11-02&to=2026-11-01"),
            400,
            Some("from"),
        ),
        (
            format!("{id}/usage?from=2026-01-01&to=2026-11-01"),
            400,
            Some("from"),
        ),
        (format!("{id}/usage?unreadable"), 400, None),
        ("key_nobody/key".to_owned(), 404, None),
    ] {
        let (told, answer) = ask(&api, &path).await;
        assert_eq!(told, status, "{path}: {answer}");
        assert_eq!(answer["error"]["param"].as_str(), param, "{path}: {answer}");
    }
}
