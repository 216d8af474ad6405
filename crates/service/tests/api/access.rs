//! Authentication and roles.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::common::http::*;

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
    // The answers to the administrator of acme, a reader of all teams, and a reader of acme.
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
