//! The pages of administrators.

use axum::http::StatusCode;

use crate::common::browser::*;
use crate::common::http::*;
use crate::usage::used;

const PAGES: [&str; 11] = [
    "/users/admin/teams/",
    "/users/admin/teams/new",
    "/users/admin/teams/acme/close",
    "/users/admin/tiers/",
    "/users/admin/tiers/new",
    "/users/admin/tiers/pro/edit",
    "/users/admin/tiers/pro/remove",
    "/users/admin/prices/",
    "/users/admin/tokens/",
    "/users/admin/tokens/new",
    "/users/admin/proxies/",
];

#[tokio::test]
async fn only_administrators_see_them() {
    let api = Api::new().await;
    let mut owner = Browser::member(&api, "acme", "owner@example.com", "owner").await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    for path in PAGES {
        assert_eq!(
            owner.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(admin.get(path).await.status, StatusCode::OK, "{path}");
    }
    for (path, fields) in [
        ("/users/admin/teams/new", vec![("id", "mine")]),
        ("/users/admin/teams/acme/close", vec![]),
        (
            "/users/admin/tokens/new",
            vec![("name", "x"), ("role", "admin")],
        ),
        ("/users/admin/tiers/pro/remove", vec![]),
    ] {
        let refused = owner.post(path, &fields).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
        let forged = admin.post_bare(path, &fields).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN, "{path} without csrf");
    }
    let team = api.get("/admin/v1/teams/acme").await;
    assert!(team["closed_at"].is_null());
}

#[tokio::test]
async fn a_tier_is_made_changed_and_removed() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let mut fields = vec![
        ("name", "gold"),
        ("requests_per_minute", "1,200"),
        ("tokens_per_minute", "many"),
        ("models", "gpt-4o*\no3"),
    ];
    let wrong = admin.post("/users/admin/tiers/new", &fields).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.body.contains("tokens_per_minute-error"),
        "beside its field"
    );
    assert!(
        wrong.body.contains("value=\"gold\""),
        "what was typed stays"
    );
    fields[2].1 = "90000";
    let made = admin.post("/users/admin/tiers/new", &fields).await;
    assert_eq!(made.location(), "/users/admin/tiers/", "{}", made.body);
    let list = admin.get("/users/admin/tiers/").await.body;
    assert!(list.contains("The tier gold was created."), "the notice");
    assert!(list.contains("1,200") && list.contains("gpt-4o*"));
    let again = admin.get("/users/admin/tiers/").await.body;
    assert!(!again.contains("The tier gold was created."), "said once");

    let form = admin.get("/users/admin/tiers/gold/edit").await.body;
    assert!(form.contains("value=\"1200\"") && form.contains("gpt-4o*\no3"));
    let change = [("requests_per_minute", "7"), ("tokens_per_minute", "90000")];
    let saved = admin.post("/users/admin/tiers/gold/edit", &change).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let tiers = api.get("/admin/v1/tiers").await.to_string();
    assert!(
        tiers.contains("\"requests_per_minute\":7") && !tiers.contains("gpt-4o*"),
        "{tiers}"
    );

    let gone = admin.post("/users/admin/tiers/gold/remove", &[]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER, "{}", gone.body);
    let unknown = admin.get("/users/admin/tiers/gold/edit").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let standard = admin.post("/users/admin/tiers/free/remove", &[]).await;
    assert_eq!(standard.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_token_is_shown_once_and_revoked_after_a_question() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let wrong = [("name", "ci"), ("role", "team_admin")];
    let wrong = admin.post("/users/admin/tokens/new", &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("team-error"));

    let fields = [("name", "<b>ci"), ("role", "reader"), ("once", "once-1")];
    let made = admin.post("/users/admin/tokens/new", &fields).await;
    let (_, rest) = made.body.split_once("<code id=\"token\">").unwrap();
    let token = rest.split('<').next().unwrap().to_owned();
    let works = api
        .ask(&token, axum::http::Method::GET, "/admin/v1/teams", None)
        .await;
    assert_eq!(works.0, StatusCode::OK);
    assert!(made.body.contains("&lt;b&gt;ci") && !made.body.contains("<b>ci"));
    let twice = admin.post("/users/admin/tokens/new", &fields).await;
    assert_eq!(twice.status, StatusCode::SEE_OTHER, "sent twice, made once");
    let list = admin.get("/users/admin/tokens/").await.body;
    assert!(!list.contains(&token) && list.contains("not shown again"));

    let (_, row) = list.split_once("&lt;b&gt;ci").unwrap();
    let (_, rest) = row.split_once("/users/admin/tokens/tok_").unwrap();
    let path = format!(
        "/users/admin/tokens/tok_{}/revoke",
        rest.split('/').next().unwrap()
    );
    let question = admin.get(&path).await;
    assert!(
        question.body.contains("Revoke &lt;b&gt;ci?"),
        "names the token"
    );
    admin.post(&path, &[]).await;
    let (status, _) = api
        .ask(&token, axum::http::Method::GET, "/admin/v1/teams", None)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_team_is_made_found_and_closed() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let wrong = admin
        .post("/users/admin/teams/new", &[("id", "no spaces")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("id-error") && wrong.body.contains("value=\"no spaces\""));
    for id in ["acme", "beta"] {
        let fields = [("id", id), ("prepaid", "yes")];
        let made = admin.post("/users/admin/teams/new", &fields).await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    }
    let link = "/users/admin/teams/beta/close";
    assert!(admin.get("/users/admin/teams/").await.body.contains(link));
    let one = admin.get("/users/admin/teams/?id=acme").await.body;
    assert!(one.contains("/users/admin/teams/acme/close") && !one.contains(link));
    let none = admin.get("/users/admin/teams/?id=nobody").await;
    assert!(none.status == StatusCode::OK && none.body.contains("No such team"));
    assert!(admin.get(link).await.body.contains("Close beta?"));
    let closed = admin.post(link, &[]).await;
    assert_eq!(closed.status, StatusCode::SEE_OTHER, "{}", closed.body);
    assert!(!api.get("/admin/v1/teams/beta").await["closed_at"].is_null());
}

#[tokio::test]
async fn a_price_says_whose_it_is() {
    let api = Api::with(|config| {
        let own = r#"{"fallback": {"input": "100", "output": "200"}, "models": [{"model": "house-*", "input": "1.25", "output": "2.5"}]}"#;
        config.prices = serde_json::from_str(own).unwrap();
    })
    .await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    for (model, whose, amount) in [
        ("house-1", "Your own price", "$1.25"),
        ("gpt-4o", "From genai-prices", "$2.50"),
        ("nobody-knows", "No price is known: the fallback", "$200.00"),
    ] {
        let page = admin
            .get(&format!("/users/admin/prices/?model={model}"))
            .await
            .body;
        assert!(
            page.contains(whose) && page.contains(amount),
            "{model}: {page}"
        );
    }
    let wrong = admin.get("/users/admin/prices/?model=two+words").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("model-error"));
}

#[tokio::test]
async fn what_the_fallback_has_charged_is_shown_by_model() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let none = admin.get("/users/admin/prices/").await.body;
    assert!(!none.contains("id=\"charged\"") && none.contains("genai-prices"));
    let key = api.key("acme").await;
    let key = text(&key, "id");
    for (n, days, model, cost) in [
        (1, 0, "house-1", 700),
        (2, 29, "house-1", 50),
        (3, 30, "house-1", 9_000),
        (4, 0, "house-2", 1_000),
        (5, 0, "gpt-4o", 100_000),
    ] {
        used(&api, key, n, days, model, cost).await;
    }
    let page = admin.get("/users/admin/prices/").await.body;
    let (_, card) = page.split_once("id=\"charged\"").unwrap();
    assert!(
        card.contains("house-1") && !card.contains("<code>gpt-4o</code>"),
        "{card}"
    );
    assert!(card.contains("?model=house-1"), "it can be looked up");
    let told = api.get("/admin/v1/prices?model=house-1").await;
    let charged = told["fallback"]["charged"].as_array().unwrap();
    let charged: Vec<_> = charged
        .iter()
        .map(|of| {
            (
                text(of, "model"),
                of["requests"].as_i64(),
                of["cost_nano_usd"].as_i64(),
            )
        })
        .collect();
    // The dearest first, and nothing of before 30 days.
    let expected = [
        ("house-2", Some(1), Some(1_000)),
        ("house-1", Some(2), Some(750)),
    ];
    assert_eq!(charged, expected);
    assert_eq!(told["model"]["priced_by"], "fallback");
    assert_eq!(
        told["model"]["nano_usd_per_million"]["output"],
        30_000_000_000_i64
    );
}
