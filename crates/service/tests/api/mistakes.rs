//! The answers to invalid requests.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::http::*;

#[tokio::test]
async fn every_mistake_is_named_in_the_openai_shape() {
    let api = Api::new().await;
    api.key("acme").await;
    let key = |change: Value| {
        let mut body = json!({"team": "acme", "name": "ci"});
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    let long = "x".repeat(101);
    for (path, body, status, code, param) in [
        (
            "keys",
            key(json!({"team": "nobody"})),
            404,
            "not_found",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"team": "two words"})),
            400,
            "invalid_value",
            json!("team"),
        ),
        (
            "keys",
            key(json!({"name": ""})),
            400,
            "invalid_value",
            json!("name"),
        ),
        (
            "keys",
            key(json!({"name": long})),
            400,
            "invalid_value",
            json!("name"),
        ),
        (
            "keys",
            key(json!({"name": "gmtech_pastedByMistake"})),
            400,
            "invalid_value",
            json!("name"),
        ),
        (
            "keys",
            key(json!({"limits": {"tokens_per_minute": 1, "tokens_burst": 1_000_000_000}})),
            400,
            "invalid_value",
            json!("limits"),
        ),
        (
            "keys",
            key(json!({"limits": {"max_in_flight": 1025}})),
            400,
            "invalid_value",
            json!("limits"),
        ),
        (
            "keys",
            key(json!({"tier": "gold"})),
            400,
            "invalid_value",
            json!("tier"),
        ),
        (
            "keys",
            key(json!({"models": []})),
            400,
            "invalid_value",
            json!("models"),
        ),
        (
            "keys",
            key(json!({"models": ["a*b"]})),
            400,
            "invalid_value",
            json!("models"),
        ),
        (
            "keys",
            key(json!({"expires_at": "2020-01-01T00:00:00Z"})),
            400,
            "invalid_value",
            json!("expires_at"),
        ),
        (
            "keys",
            key(json!({"expires_at": "tomorrow"})),
            400,
            "invalid_value",
            json!("expires_at"),
        ),
        (
            "keys",
            key(json!({"budgets": {"day_nano_usd": -1}})),
            400,
            "invalid_value",
            json!("budgets"),
        ),
        (
            "keys",
            key(json!({"budgets": {"day_nano_usd": 1_000_000_000_000_000_001_i64}})),
            400,
            "invalid_value",
            json!("budgets"),
        ),
        (
            "keys",
            key(json!({"budgets": {"week_nano_usd": 2_000_000_000_000_000_000_i64}})),
            400,
            "invalid_value",
            json!("budgets"),
        ),
        (
            "keys",
            key(json!({"budgets": {"models": {"a*b": {"day_nano_usd": 1}}}})),
            400,
            "invalid_value",
            json!("budgets"),
        ),
        (
            "keys",
            key(json!({"budgets": {"models": {"o3": {}}}})),
            400,
            "invalid_value",
            json!("budgets"),
        ),
        (
            "keys",
            key(json!({"allowed_ips": ["203.0.113.7/24"]})),
            400,
            "invalid_value",
            json!("allowed_ips"),
        ),
        (
            "keys",
            key(json!({"allowed_ips": []})),
            400,
            "invalid_value",
            json!("allowed_ips"),
        ),
        (
            "keys",
            key(json!({"endpoints": ["chat"]})),
            400,
            "invalid_value",
            json!("endpoints"),
        ),
        (
            "keys",
            key(json!({"owner": "a@example.com"})),
            409,
            "conflict",
            json!("owner"),
        ),
        (
            "keys",
            key(json!({"tags": ["two words"]})),
            400,
            "invalid_value",
            json!("tags"),
        ),
        (
            "keys",
            key(json!({"metadata": {"": "x"}})),
            400,
            "invalid_value",
            json!("metadata"),
        ),
        (
            "keys",
            key(json!({"metadata": {"k": "gmtech_0123456789abcdefghij"}})),
            400,
            "invalid_value",
            json!("metadata"),
        ),
        (
            "keys",
            key(json!({"metadata": {"k": "x".repeat(513)}})),
            400,
            "invalid_value",
            json!("metadata"),
        ),
        (
            "keys",
            key(json!({"name": "a\u{0}b"})),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            json!(["acme", "ci"]),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"limits": [5]})),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            "teams",
            json!({"id": "x", "policy": {"allowed_tiers": ["gold"]}}),
            400,
            "invalid_value",
            json!("policy"),
        ),
        (
            "teams",
            json!({"id": "x", "policy": {"max_key_lifetime_seconds": 1}}),
            400,
            "invalid_value",
            json!("policy"),
        ),
        (
            "keys",
            key(json!({"limits": {"requests_per_minute": 0}})),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"limits": {"requests_per_hour": 1}})),
            400,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"colour": "red"})),
            400,
            "invalid_json",
            Value::Null,
        ),
        ("teams", json!({"id": "acme"}), 409, "conflict", Value::Null),
        (
            "teams",
            json!({"id": "a/b"}),
            400,
            "invalid_value",
            json!("id"),
        ),
        (
            "teams/acme/credit",
            json!({}),
            400,
            "invalid_value",
            json!("amount_usd"),
        ),
        (
            "teams/acme/credit",
            json!({"amount_usd": "0"}),
            400,
            "invalid_value",
            json!("amount_usd"),
        ),
        (
            "teams/acme/credit",
            json!({"amount_usd": "-1000000000.000000001"}),
            400,
            "invalid_value",
            json!("amount_usd"),
        ),
        (
            "teams/acme/credit",
            json!({"amount_nano_usd": i64::MIN}),
            400,
            "invalid_value",
            json!("amount_usd"),
        ),
        (
            "teams/acme/credit",
            json!({"amount_usd": "1e9"}),
            400,
            "invalid_value",
            json!("amount_usd"),
        ),
        (
            "teams/nobody/credit",
            json!({"amount_usd": "1"}),
            404,
            "not_found",
            Value::Null,
        ),
        (
            "tokens",
            json!({"name": "x", "role": "team_admin"}),
            400,
            "invalid_value",
            json!("team"),
        ),
        (
            "tokens",
            json!({"name": "x", "role": "admin", "team": "acme"}),
            400,
            "invalid_value",
            json!("team"),
        ),
        (
            "keys/key_none/revoke",
            json!({}),
            404,
            "not_found",
            Value::Null,
        ),
        ("nothing", json!({}), 404, "not_found", Value::Null),
    ] {
        let (got, json) = api
            .ask(
                ADMIN,
                Method::POST,
                &format!("/admin/v1/{path}"),
                Some(body.clone()),
            )
            .await;
        let error = &json["error"];
        assert_eq!(
            (got.as_u16(), text(error, "code")),
            (status, code),
            "{path} {body}: {json}"
        );
        assert_eq!(error["param"], param, "{path} {body}");
        assert_eq!(text(error, "type"), "invalid_request_error");
    }
    for path in [
        "keys?limit=0",
        "keys?limit=501",
        "keys?status=asleep",
        "usage?by=colour",
        "usage?from=yesterday",
        "keys?colour=red",
        "keys?stat=active",
        "keys?limit=1&limit=2",
        "keys?limit=-1",
        "keys?status=",
        "keys?sort=colour",
        "keys?tag=two%20words",
        "keys?owner=nobody",
        "keys?tier=no%20name",
        "keys?search=%00",
        "keys?search=gmtech_0123456789abcdefghij",
        "keys?expires_before=soon",
        "keys?team=two%20words",
        "keys?team=a%00b",
        "audit?subject=a%00b",
        "audit?kind=x",
        "audit?action=Key%20made",
        "audit?actor=two%20words",
        "audit?actor=a@b",
        "audit?from=yesterday",
        "audit?to=2026-13-01",
        "audit?from=2026-11-24&to=2026-11-23",
        "audit?from=2026-11-24T00:00:00Z&to=2026-11-23",
        "teams/acme?verbose=1",
        "me?x",
    ] {
        let (status, json) = api
            .ask(ADMIN, Method::GET, &format!("/admin/v1/{path}"), None)
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {json}");
        assert!(json["error"]["message"].is_string());
    }
    // A page that does not exist.
    for path in [
        "keys?after=nothing",
        "keys?after=",
        "audit?after=x",
        "audit?after=999999",
        "teams?after=a%20b",
        "teams/acme/ledger?after=-1",
    ] {
        let (status, json) = api
            .ask(ADMIN, Method::GET, &format!("/admin/v1/{path}"), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {json}");
        assert_eq!(json["error"]["param"], "after", "{path}");
    }
    for path in [
        "keys?team=nobody",
        "audit?team=nobody",
        "teams/no%00body",
        "keys/key%00",
    ] {
        let (status, json) = api
            .ask(ADMIN, Method::GET, &format!("/admin/v1/{path}"), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {json}");
    }
    let (status, json) = api.ask(ADMIN, Method::DELETE, "/admin/v1/keys", None).await;
    assert_eq!(
        (status.as_u16(), text(&json["error"], "code")),
        (405, "method_not_allowed")
    );
}
