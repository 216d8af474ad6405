//! The management API, through its router and a real SQLite file.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails loudly"
)]

mod common;

use axum::http::{Method, StatusCode};
use common::http::*;
use gmtech_core::key::ApiKey;
use serde_json::{Value, json};

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
        entry.keys[0].state.as_ref().unwrap().record.id.as_str(),
        text(&made, "id")
    );
}

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
            key(json!({"limits": {"requests_per_minute": 0}})),
            422,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"limits": {"requests_per_hour": 1}})),
            422,
            "invalid_json",
            Value::Null,
        ),
        (
            "keys",
            key(json!({"colour": "red"})),
            422,
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
    ] {
        let (status, json) = api
            .ask(ADMIN, Method::GET, &format!("/admin/v1/{path}"), None)
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {json}");
        assert!(json["error"]["message"].is_string());
    }
    let (status, json) = api.ask(ADMIN, Method::DELETE, "/admin/v1/keys", None).await;
    assert_eq!(
        (status.as_u16(), text(&json["error"], "code")),
        (405, "method_not_allowed")
    );
}

#[tokio::test]
async fn each_role_may_do_what_it_says() {
    let api = Api::new().await;
    let (own, other) = (api.key("acme").await, api.key("umbrella").await);
    let token = |role: &str, team: Option<&str>| json!({"name": "t", "role": role, "team": team});
    let made = [
        api.post("/admin/v1/tokens", token("team_admin", Some("acme")))
            .await,
        api.post("/admin/v1/tokens", token("reader", None)).await,
        api.post("/admin/v1/tokens", token("reader", Some("acme")))
            .await,
    ];
    let [team_admin, reader, team_reader] = made.each_ref().map(|t| text(t, "token"));
    let (own, other) = (text(&own, "id"), text(&other, "id"));
    let new_key = |team: &str| Some(json!({"team": team, "name": "n"}));
    let credit = || Some(json!({"amount_usd": "1"}));
    // What the administrator of acme, a reader of all, and a reader of acme are answered.
    for (method, path, body, answers) in [
        (Method::GET, format!("keys/{own}"), None, [200, 200, 200]),
        (Method::GET, format!("keys/{other}"), None, [404, 200, 404]),
        (
            Method::GET,
            "keys?team=umbrella".into(),
            None,
            [404, 200, 404],
        ),
        (Method::GET, "teams/umbrella".into(), None, [404, 200, 404]),
        (
            Method::GET,
            "teams/acme/ledger".into(),
            None,
            [200, 200, 200],
        ),
        (
            Method::GET,
            "audit?team=umbrella".into(),
            None,
            [404, 200, 404],
        ),
        (
            Method::GET,
            "usage?team=umbrella".into(),
            None,
            [404, 200, 404],
        ),
        (Method::GET, "tokens".into(), None, [403, 403, 403]),
        (Method::GET, "me".into(), None, [200, 200, 200]),
        (
            Method::POST,
            "keys".into(),
            new_key("acme"),
            [201, 403, 403],
        ),
        (
            Method::POST,
            "keys".into(),
            new_key("umbrella"),
            [404, 403, 404],
        ),
        (
            Method::POST,
            format!("keys/{other}/revoke"),
            None,
            [404, 403, 404],
        ),
        (
            Method::POST,
            format!("keys/{own}/suspend"),
            None,
            [200, 403, 403],
        ),
        (
            Method::POST,
            "teams".into(),
            Some(json!({"id": "new"})),
            [403, 403, 403],
        ),
        (
            Method::POST,
            "teams/acme/credit".into(),
            credit(),
            [403, 403, 403],
        ),
        (
            Method::POST,
            "usage/import".into(),
            Some(json!([])),
            [403, 403, 403],
        ),
        (
            Method::POST,
            "tokens".into(),
            Some(token("reader", None)),
            [403, 403, 403],
        ),
    ] {
        for (token, expected) in [team_admin, reader, team_reader].into_iter().zip(answers) {
            let path = format!("/admin/v1/{path}");
            let (status, json) = api.ask(token, method.clone(), &path, body.clone()).await;
            assert_eq!(status.as_u16(), expected, "{method} {path}: {json}");
        }
    }
    for (path, seen) in [
        ("keys", "umbrella"),
        ("teams", "umbrella"),
        ("audit", "umbrella"),
    ] {
        let (_, json) = api
            .ask(team_admin, Method::GET, &format!("/admin/v1/{path}"), None)
            .await;
        assert!(
            !json.to_string().contains(seen),
            "{path} shows another team"
        );
    }
}

#[tokio::test]
async fn only_a_live_token_gets_in() {
    let api = Api::new().await;
    let made = api
        .post("/admin/v1/tokens", json!({"name": "t", "role": "reader"}))
        .await;
    let token = text(&made, "token");
    for (token, status) in [
        ("", 401),
        ("wrong-token-of-nobody", 401),
        (PROXY, 401),
        (token, 200),
    ] {
        let (got, json) = api.ask(token, Method::GET, "/admin/v1/keys", None).await;
        assert_eq!(got.as_u16(), status, "{json}");
    }
    let path = format!("/admin/v1/tokens/{}", text(&made, "id"));
    let (status, _) = api.ask(ADMIN, Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, json) = api.ask(token, Method::GET, "/admin/v1/keys", None).await;
    assert_eq!(
        (status.as_u16(), text(&json["error"], "code")),
        (401, "invalid_token")
    );
    let list = api.get("/admin/v1/tokens").await.to_string();
    assert!(!list.contains(token) && !list.contains(ADMIN));
}

#[tokio::test]
async fn a_repeated_creation_gives_the_same_key_but_never_its_text_again() {
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
            frame.keys[0].state.as_ref().unwrap().record.id.as_str(),
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
async fn a_key_is_changed_paused_rotated_and_ended() {
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

#[tokio::test]
async fn members_and_credit_of_a_team() {
    let api = Api::new().await;
    api.key("acme").await;
    let member = |email: &str| Some(json!({"email": email, "role": "owner"}));
    for (email, status) in [
        ("a@example.com", 200),
        ("no address", 400),
        ("a@b@c.d", 400),
        ("@example.com", 400),
    ] {
        let (got, json) = api
            .ask(
                ADMIN,
                Method::PUT,
                "/admin/v1/teams/acme/members",
                member(email),
            )
            .await;
        assert_eq!(got.as_u16(), status, "{email}: {json}");
    }
    assert_eq!(
        api.get("/admin/v1/teams/acme/members").await["data"][0]["email"],
        "a@example.com"
    );
    let (gone, _) = api
        .ask(
            ADMIN,
            Method::DELETE,
            "/admin/v1/teams/acme/members/a@example.com",
            None,
        )
        .await;
    assert_eq!(gone, StatusCode::NO_CONTENT);
    let top_up = || {
        let body = Some(json!({"amount_usd": "25.50", "note": "invoice 7"}));
        api.ask_with(
            ADMIN,
            Method::POST,
            "/admin/v1/teams/acme/credit",
            body,
            &[("idempotency-key", "i7")],
        )
    };
    for _ in 0..2 {
        let (_, team) = top_up().await;
        assert_eq!(
            (&team["balance_nano_usd"], &team["prepaid"]),
            (&json!(25_500_000_000_i64), &json!(true))
        );
    }
    let ledger = api.get("/admin/v1/teams/acme/ledger").await;
    assert_eq!(ledger["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&ledger["data"][0]["kind"], &ledger["data"][0]["note"]),
        (&json!("top_up"), &json!("invoice 7"))
    );
}

#[tokio::test]
async fn the_description_names_every_route() {
    let api = Api::new().await;
    let (status, json) = api
        .ask("", Method::GET, "/admin/v1/openapi.json", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    for path in [
        "/admin/v1/keys",
        "/admin/v1/keys/{id}/revoke",
        "/admin/v1/teams/{team}/credit",
        "/admin/v1/usage",
    ] {
        assert!(json["paths"].get(path).is_some(), "{path}");
    }
    let schemas = json["components"]["schemas"].to_string();
    for name in schemas
        .match_indices("#/components/schemas/")
        .map(|(at, found)| &schemas[at + found.len()..])
    {
        let name = name.split('"').next().unwrap();
        assert!(
            json["components"]["schemas"].get(name).is_some(),
            "{name} is described nowhere"
        );
    }
    assert!(json["components"]["securitySchemes"]["bearer"].is_object());
}
