//! Attacks on people who have signed in, and on the sign-in itself.

use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::common::browser::*;
use crate::common::http::*;

const PASSWORD: &str = "a few words in a row";

/// A person with a password, who has signed in.
async fn with_password<'a>(api: &'a Api, email: &str) -> Browser<'a> {
    let mut browser = Browser::signed_in(api, email, false).await;
    let set = browser
        .post("/users/account/password", &[("password", PASSWORD)])
        .await;
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.body);
    browser
}

async fn sign_in<'a>(api: &'a Api, email: &str, password: &str) -> (Browser<'a>, Answer) {
    let mut browser = Browser::new(api);
    let fields = [("email", email), ("password", password)];
    let answer = browser.post("/users/sign-in/", &fields).await;
    (browser, answer)
}

async fn is_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/users/account/").await.status == StatusCode::OK
}

#[tokio::test]
async fn a_form_without_this_sessions_proof_changes_nothing() {
    let api = Api::new().await;
    let mut ada = Browser::signed_in(&api, "ada@example.com", false).await;
    let mut eve = Browser::signed_in(&api, "eve@example.com", false).await;
    let (own, foreign) = (ada.csrf().await, eve.csrf().await);
    let path = "/users/account/name";
    for proof in [None, Some(""), Some("0"), Some(foreign.as_str())] {
        let mut fields = vec![("name", "Mallory")];
        fields.extend(proof.map(|proof| ("csrf", proof)));
        let answer = ada.post_bare(path, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{proof:?}");
    }
    let fields = [("name", "Mallory"), ("csrf", own.as_str())];
    for headers in [
        [("sec-fetch-site", "cross-site"), ("origin", SITE)],
        [("sec-fetch-site", "same-site"), ("origin", SITE)],
        [("x-none", ""), ("origin", "https://evil.example")],
        [("x-none", ""), ("origin", "null")],
    ] {
        let answer = ada.send(Method::POST, path, &headers, Some(&fields)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    for path in [
        path,
        "/users/account/password",
        "/users/account/sign-out-everywhere",
        "/users/sign-out",
    ] {
        let answer = ada.get(path).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    assert!(!ada.get("/users/account/").await.body.contains("Mallory"));
    assert_eq!(
        ada.post_bare(path, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(ada.get("/users/account/").await.body.contains("Mallory"));
}

#[tokio::test]
async fn a_session_that_was_there_before_the_sign_in_is_not_the_one_after_it() {
    let api = Api::new().await;
    let mut planted = Browser::signed_in(&api, "eve@example.com", false).await;
    let cookie = planted.cookie.clone();
    let path = sign_in_link(&api, "ada@example.com", false).await;
    let mut ada = Browser::new(&api);
    ada.cookie = cookie.clone();
    ada.post_bare(&path, &[]).await;
    assert_ne!(ada.cookie, cookie);
    assert!(
        ada.get("/users/account/")
            .await
            .body
            .contains("ada@example.com")
    );
    assert!(!is_in(&mut planted).await, "the planted session lives on");
    let mut invented = Browser::new(&api);
    let chosen = "gmtech_session=AAAAAAAAAAAAAAAAAAAAAA";
    invented.cookie = Some(chosen.into());
    let path = sign_in_link(&api, "ada@example.com", false).await;
    invented.post_bare(&path, &[]).await;
    assert_ne!(invented.cookie.as_deref(), Some(chosen));
}

#[tokio::test]
async fn a_session_is_kept_from_scripts_and_other_sites() {
    let api = Api::with(|config| {
        config.people.public_url = Some("https://gate.test".into());
    })
    .await;
    let path = sign_in_link(&api, "ada@example.com", false).await;
    let headers = [("origin", "https://gate.test")];
    let answer = Browser::new(&api)
        .send(Method::POST, &path, &headers, Some(&[]))
        .await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-gmtech_session="), "{cookie}");
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let id = cookie.split(['=', ';']).nth(1).unwrap();
    let file = std::fs::read(api.dir.path().join("gmtech.db-wal")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(!holds(id), "the database holds a session's id");
}

#[tokio::test]
async fn sessions_end_with_what_they_stand_for() {
    let api = Api::new().await;
    let mut here = with_password(&api, "ada@example.com").await;
    let (mut there, answer) = sign_in(&api, "ada@example.com", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut there).await);
    let fields = [("present", PASSWORD), ("password", "other words in a row")];
    let changed = here.post("/users/account/password", &fields).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.body);
    assert!(is_in(&mut here).await);
    assert!(!is_in(&mut there).await, "after a change of the password");
    let (mut there, _) = sign_in(&api, "ada@example.com", "other words in a row").await;
    here.post("/users/account/sign-out-everywhere", &[]).await;
    assert!(
        !is_in(&mut there).await && !is_in(&mut here).await,
        "after a sign-out everywhere"
    );
    let mut gone = Browser::signed_in(&api, "ada@example.com", false).await;
    let path = "/admin/v1/people/ada@example.com";
    let (status, _) = api.ask(ADMIN, Method::DELETE, path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(!is_in(&mut gone).await, "after the account's removal");
}

#[tokio::test]
async fn a_sign_out_ends_the_session_and_not_only_the_cookie() {
    let api = Api::new().await;
    let mut ada = Browser::signed_in(&api, "ada@example.com", false).await;
    let cookie = ada.cookie.clone();
    ada.post("/users/sign-out", &[]).await;
    assert!(!is_in(&mut ada).await);
    ada.cookie = cookie;
    assert!(!is_in(&mut ada).await, "the old cookie still works");
}

#[tokio::test]
async fn another_teams_page_is_not_there() {
    let api = Api::new().await;
    api.key("umbrella").await;
    let mut ada = Browser::member(&api, "acme", "ada@example.com", "owner").await;
    for page in ["api-keys/", "api-keys/new", "usage/", "limits/", "team/"] {
        let path = format!("/users/{page}?team=acme");
        assert_eq!(ada.get(&path).await.status, StatusCode::OK, "{path}");
        for team in ["umbrella", "nobody", "..", "%00"] {
            let path = format!("/users/{page}?team={team}");
            assert_eq!(ada.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike() {
    let api = Api::new().await;
    with_password(&api, "ada@example.com").await;
    let (_, wrong) = sign_in(&api, "ada@example.com", "not the password").await;
    let (_, unknown) = sign_in(&api, "eve@example.com", "not the password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(unknown.body.replace("eve@", "ada@"), wrong.body);
    let (_, right) = sign_in(&api, " Ada@Example.com ", PASSWORD).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let api = Api::new().await;
    with_password(&api, "ada@example.com").await;
    let mut refused = 0;
    for _ in 0..14 {
        let (_, answer) = sign_in(&api, "ada@example.com", "not the password").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused += 1;
            assert!(answer.body.contains("Too many attempts"), "{}", answer.body);
        }
    }
    assert!(refused >= 3, "only {refused} of 14");
    let (_, right) = sign_in(&api, "ada@example.com", PASSWORD).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_the_sign_in() {
    let api = Api::new().await;
    with_password(&api, "ada@example.com").await;
    for (next, to) in [
        ("/users/usage/?range=7d", "/users/usage/?range=7d"),
        ("https://evil.example/", "/users/api-keys/"),
        ("//evil.example/users/", "/users/api-keys/"),
        ("/users/\\evil.example", "/users/api-keys/"),
        ("/users/../admin/v1/keys", "/users/api-keys/"),
    ] {
        let fields = [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("next", next),
        ];
        let answer = Browser::new(&api).post("/users/sign-in/", &fields).await;
        assert_eq!(answer.location(), to, "{next}");
    }
}

#[tokio::test]
async fn no_page_may_be_framed_or_kept() {
    let api = Api::new().await;
    let mut ada = Browser::signed_in(&api, "ada@example.com", true).await;
    for path in [
        "/users/account/",
        "/users/team/?team=nobody",
        "/users/sign-in/link/x",
    ] {
        let headers = ada.get(path).await.headers;
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test]
async fn an_invitation_is_for_one_address_once() {
    let api = Api::new().await;
    api.key("acme").await;
    let asked = json!({"email": "Grace@example.com", "role": "viewer"});
    let invite = "/admin/v1/teams/acme/invitations";
    let made = api.post(invite, asked.clone()).await;
    let path = text(&made, "path");
    let mut eve = Browser::signed_in(&api, "eve@example.com", false).await;
    let stolen = eve.post(&format!("{path}/accept"), &[]).await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN);
    let mut grace = Browser::new(&api);
    let weak = grace.post(path, &[("password", "short")]).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    let joined = grace.post(path, &[("password", PASSWORD)]).await;
    assert_eq!(joined.location(), "/users/api-keys/?team=acme");
    let members = api.get("/admin/v1/teams/acme/members").await;
    assert_eq!(members["data"][0]["email"], "grace@example.com");
    assert_eq!(members["data"][0]["role"], "viewer");
    let again = Browser::new(&api)
        .post(path, &[("password", PASSWORD)])
        .await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let (status, _) = api.ask(ADMIN, Method::POST, invite, Some(asked)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let made = api
        .post(invite, json!({"email": "kim@example.com", "role": "owner"}))
        .await;
    let revoke = format!("{invite}/{}", text(&made, "id"));
    api.ask(ADMIN, Method::DELETE, &revoke, None).await;
    let late = Browser::new(&api).get(text(&made, "path")).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
}
