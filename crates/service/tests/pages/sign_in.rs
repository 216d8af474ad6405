//! Signing in and out.

use axum::http::StatusCode;

use crate::common::browser::*;
use crate::common::http::*;

#[tokio::test]
async fn a_link_signs_in_once_and_only_by_its_button() {
    let api = Api::new().await;
    let path = sign_in_link(&api, "ada@example.com", true).await;
    let mut previewer = Browser::new(&api);
    let page = previewer.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("ada@example.com") && previewer.cookie.is_none());
    let mut ada = Browser::new(&api);
    let done = ada.post(&path, &[]).await;
    assert_eq!(
        (done.status, done.location()),
        (StatusCode::SEE_OTHER, "/users/api-keys/")
    );
    assert_eq!(ada.get("/users/account/").await.status, StatusCode::OK);
    let mut thief = Browser::new(&api);
    let again = thief.post(&path, &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(thief.cookie.is_none());
    assert_eq!(thief.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_has_not_signed_in_is_sent_there_and_comes_back() {
    let api = Api::new().await;
    let answer = Browser::new(&api).get("/users/account/?team=a").await;
    assert_eq!(
        (answer.status, answer.location()),
        (
            StatusCode::SEE_OTHER,
            "/users/sign-in/?next=%2Fusers%2Faccount%2F%3Fteam%3Da"
        )
    );
}
