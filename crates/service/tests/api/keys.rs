//! Keys from creation to revocation.

use axum::http::Method;
use gmtech_core::key::ApiKey;
use serde_json::{Value, json};

use crate::common::http::*;

#[tokio::test]
async fn a_key_is_shown_once_and_works_by_its_digest() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let key = ApiKey::parse(text(&made, "key").as_bytes()).unwrap();
    assert!(key.is_well_formed());
    assert_eq!(text(&made, "redacted_key"), key.redacted());
    assert_eq!(
        (
            text(&made, "team"),
            text(&made, "tier"),
            text(&made, "status")
        ),
        ("acme", "free", "active")
    );
    let shown = api
        .get(&format!("/admin/v1/keys/{}", text(&made, "id")))
        .await;
    let list = api.get("/admin/v1/keys").await;
    assert_eq!(list["data"][0], shown);
    assert!(shown.get("key").is_none());
    assert!(!list.to_string().contains(key.reveal()));
    let entry = api
        .frame(&format!("/sync/v1/resolve/{}", key.digest().to_hex()))
        .await;
    assert_eq!(
        entry.keys[0]
            .state
            .as_ref()
            .unwrap()
            .record
            .readable()
            .unwrap()
            .id
            .as_str(),
        text(&made, "id")
    );
}

#[tokio::test]
async fn a_repeated_creation_returns_the_same_key_without_its_text() {
    let api = Api::new().await;
    api.key("acme").await;
    let create = |name: &'static str| {
        let body = Some(json!({"team": "acme", "name": name}));
        api.ask_with(
            ADMIN,
            Method::POST,
            "/admin/v1/keys",
            body,
            &[("idempotency-key", "once")],
        )
    };
    let (first, made) = create("a").await;
    let (second, again) = create("a").await;
    assert_eq!((first.as_u16(), second.as_u16()), (201, 200));
    assert_eq!(made["id"], again["id"]);
    assert_eq!(
        (again["key"].is_null(), &again["replayed"]),
        (true, &json!(true))
    );
    let (other, json) = create("b").await;
    assert_eq!(
        (other.as_u16(), text(&json["error"], "code")),
        (409, "conflict")
    );
}

#[tokio::test]
async fn several_keys_are_made_at_once_or_none() {
    let api = Api::new().await;
    api.key("acme").await;
    let key = |team: &str, name: &str| json!({"team": team, "name": name});
    let made = api
        .post(
            "/admin/v1/keys/batch",
            json!({"keys": [key("acme", "a"), key("acme", "b")]}),
        )
        .await;
    let made = made["data"].as_array().unwrap();
    for (view, name) in made.iter().zip(["a", "b"]) {
        assert_eq!(text(view, "name"), name);
        let digest = ApiKey::parse(text(view, "key").as_bytes())
            .unwrap()
            .digest();
        let frame = api
            .frame(&format!("/sync/v1/resolve/{}", digest.to_hex()))
            .await;
        assert_eq!(
            frame.keys[0]
                .state
                .as_ref()
                .unwrap()
                .record
                .readable()
                .unwrap()
                .id
                .as_str(),
            text(view, "id")
        );
    }
    for (keys, status) in [
        (json!([key("acme", "c"), key("nobody", "d")]), 404),
        (json!([key("acme", "c"), key("acme", "")]), 400),
        (json!([]), 400),
    ] {
        let (got, json) = api
            .ask(
                ADMIN,
                Method::POST,
                "/admin/v1/keys/batch",
                Some(json!({"keys": keys})),
            )
            .await;
        assert_eq!(got.as_u16(), status, "{json}");
    }
    assert_eq!(
        api.get("/admin/v1/keys").await["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_key_is_updated_suspended_rotated_and_revoked() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let path = format!("/admin/v1/keys/{}", text(&made, "id"));
    let change = json!({"name": "new", "tier": "pro", "models": ["gpt-4o*"], "limits": {"requests_per_minute": 5},
        "expires_at": "2099-01-01T00:00:00Z", "budgets": {"day_nano_usd": 5}});
    let (_, changed) = api
        .ask(ADMIN, Method::PATCH, &path, Some(change.clone()))
        .await;
    for field in ["name", "tier", "models", "expires_at"] {
        assert_eq!(changed[field], change[field], "{field}");
    }
    assert_eq!(changed["limits"]["requests_per_minute"], 5);
    let back = json!({"models": null, "expires_at": null});
    let (_, changed) = api.ask(ADMIN, Method::PATCH, &path, Some(back)).await;
    assert_eq!(
        (&changed["models"], &changed["expires_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(changed["tier"], "pro", "what is not named stays");
    for (action, status) in [("suspend", "suspended"), ("resume", "active")] {
        let view = api.post(&format!("{path}/{action}"), json!({})).await;
        assert_eq!(text(&view, "status"), status);
    }
    let rotated = api
        .post(&format!("{path}/rotate"), json!({"overlap_seconds": 0}))
        .await;
    assert_ne!(rotated["id"], made["id"]);
    assert_eq!(rotated["old"]["rotated_to"], rotated["id"]);
    assert_eq!(text(&rotated["old"], "status"), "expired");
    assert!(text(&rotated, "key").starts_with("gmtech_"));
    let revoked = api
        .post(
            &format!("/admin/v1/keys/{}/revoke", text(&rotated, "id")),
            json!({}),
        )
        .await;
    assert_eq!(text(&revoked, "status"), "revoked");
    assert!(revoked.get("receipt").is_none());
    let log = api
        .get(&format!("/admin/v1/audit?subject={}", text(&made, "id")))
        .await;
    let actions: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| text(e, "action"))
        .collect();
    assert_eq!(
        actions,
        [
            "key.rotate",
            "key.resume",
            "key.suspend",
            "key.update",
            "key.update",
            "key.create"
        ]
    );
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let api = Api::new().await;
    for _ in 0..5 {
        api.key("acme").await;
    }
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = api.get(&format!("/admin/v1/keys?limit=2{after}")).await;
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|k| text(k, "id").to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}
