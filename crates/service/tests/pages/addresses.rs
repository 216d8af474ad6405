//! Addresses that people type or shorten.

use axum::http::StatusCode;

use crate::common::browser::*;
use crate::common::http::*;

#[tokio::test]
async fn an_address_without_its_slash_leads_to_the_one_with_it() {
    let api = Api::new().await;
    let mut admin = Browser::signed_in(&api, "ada@example.com", true).await;
    let key = api.key("acme").await;
    let of_key = format!("/users/api-keys/{}", text(&key, "id"));
    for path in [
        "/users",
        "/users/api-keys",
        &of_key,
        "/users/usage",
        "/users/limits",
        "/users/team",
        "/users/account",
        "/users/admin/teams",
        "/users/admin/tiers",
        "/users/admin/prices",
        "/users/admin/tokens",
        "/users/admin/proxies",
    ] {
        let answer = admin.get(&format!("{path}?team=acme&x=%2F")).await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT, "{path}");
        assert_eq!(answer.location(), format!("{path}/?team=acme&x=%2F"));
        let page = admin.get(answer.location()).await;
        let expected = match path {
            "/users" => StatusCode::SEE_OTHER,
            _ => StatusCode::OK,
        };
        assert_eq!(page.status, expected, "{path}");
    }
    let mut nobody = Browser::new(&api);
    let answer = nobody.get("/users/sign-in").await;
    assert_eq!(answer.location(), "/users/sign-in/");
}

#[tokio::test]
async fn an_address_of_no_page_is_answered_by_a_page() {
    let api = Api::new().await;
    let mut nobody = Browser::new(&api);
    for path in [
        "/users/nothing",
        "/users/nothing/",
        "/users/nothing/below",
        "/users/usage/nothing/at/all",
        "/users//evil.example",
        "/users/..;/admin/v1/teams",
    ] {
        let answer = nobody.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            answer.body.contains("Back to API Keys"),
            "{path}: {}",
            answer.body
        );
    }
}
