//! Signing in with a provider.

use std::collections::HashMap;

use axum::http::StatusCode;
use gmtech_service::config::OidcConfig;
use serde_json::{Value, json};

use crate::common::browser::*;
use crate::common::http::*;
use crate::common::provider::{CLIENT, SECRET, SigningKey, TestProvider};

pub(crate) const BEGIN: &str = "/users/sign-in/oidc";

pub(crate) async fn with_provider(
    provider: &TestProvider,
    change: impl FnOnce(&mut OidcConfig),
) -> Api {
    let mut oidc = OidcConfig::new(provider.issuer.clone(), CLIENT.into());
    oidc.client_secret = Some(SECRET.into());
    oidc.name = "Acme ID".into();
    oidc.groups = vec![
        "devs=acme:developer".parse().unwrap(),
        "ops=admin".parse().unwrap(),
    ];
    change(&mut oidc);
    let api = Api::with(|config| {
        config.people.public_url = Some(SITE.into());
        config.people.oidc = Some(oidc);
    })
    .await;
    api.post("/admin/v1/teams", json!({"id": "acme"})).await;
    api
}

fn query(address: &str) -> HashMap<String, String> {
    let (_, query) = address.split_once('?').unwrap();
    serde_html_form::from_str(query).unwrap()
}

/// Follows the button: what the provider is asked with.
pub(crate) async fn begin(browser: &mut Browser<'_>, next: &str) -> HashMap<String, String> {
    let answer = browser.get(&format!("{BEGIN}?next={next}")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    query(answer.location())
}

pub(crate) async fn come_back(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Answer {
    let query = serde_html_form::to_string(fields).unwrap();
    browser.get(&format!("{BEGIN}/callback?{query}")).await
}

/// The whole way, with these claims besides the honest ones.
pub(crate) async fn sign_in(
    browser: &mut Browser<'_>,
    provider: &TestProvider,
    more: Value,
) -> Answer {
    let begun = begin(browser, "").await;
    let mut claims = provider.claims(&begun);
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let key = provider
        .answers
        .lock()
        .unwrap()
        .keys
        .last()
        .unwrap()
        .clone();
    let code = provider.code(&begun, key.sign(&claims));
    let fields = [
        ("code", &*code),
        ("state", &begun["state"]),
        ("iss", &provider.issuer),
    ];
    come_back(browser, &fields).await
}

pub(crate) async fn is_in(browser: &mut Browser<'_>) -> bool {
    browser.get("/users/account/").await.status == StatusCode::OK
}

#[tokio::test]
async fn a_group_signs_in_and_gives_a_role_until_it_is_lost() {
    let provider = TestProvider::start().await;
    let api = with_provider(&provider, |_| {}).await;
    let mut ada = Browser::new(&api);
    let page = ada.get("/users/sign-in/?next=/users/usage/").await;
    assert!(page.body.contains("Sign in with Acme ID") && page.body.contains("name=\"password\""));
    assert!(
        page.body
            .contains("/users/sign-in/oidc?next=%2Fusers%2Fusage%2F")
    );
    let asked = begin(&mut ada, "/users/usage/").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("code_challenge_method", "S256"),
        ("scope", "openid email profile"),
        (
            "redirect_uri",
            "http://gate.test/users/sign-in/oidc/callback",
        ),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let token = SigningKey::new("one", 1).sign(&{
        let mut claims = provider.claims(&asked);
        claims["groups"] = json!(["devs", "others"]);
        claims
    });
    let code = provider.code(&asked, token);
    let before = ada.cookie.clone();
    let fields = [
        ("code", &*code),
        ("state", &asked["state"]),
        ("iss", &provider.issuer),
    ];
    let done = come_back(&mut ada, &fields).await;
    assert_eq!(
        (done.status, done.location()),
        (StatusCode::SEE_OTHER, "/users/usage/"),
        "{}",
        done.body
    );
    assert_ne!(
        ada.cookie, before,
        "the session before the sign-in lives on"
    );
    let account = ada.get("/users/account/").await.body;
    assert!(account.contains("ada@example.com") && account.contains(&provider.issuer));
    assert_eq!(
        ada.get("/users/api-keys/new?team=acme").await.status,
        StatusCode::OK
    );

    let done = sign_in(&mut ada, &provider, json!({"groups": ["ops"]})).await;
    assert_eq!(done.location(), "/users/api-keys/");
    assert_eq!(ada.get("/users/admin/teams/").await.status, StatusCode::OK);
    let members = api.get("/admin/v1/teams/acme/members").await;
    assert_eq!(members["data"], json!([]), "{members}");

    let done = sign_in(&mut ada, &provider, json!({"groups": []})).await;
    assert_eq!(
        done.status,
        StatusCode::SEE_OTHER,
        "who is known comes in: {}",
        done.body
    );
    assert_ne!(ada.get("/users/admin/teams/").await.status, StatusCode::OK);
    assert_eq!(
        ada.get("/users/api-keys/").await.status,
        StatusCode::NOT_FOUND
    );
    let audit = api.get("/admin/v1/audit?limit=100").await.to_string();
    for entry in [
        "person.link_provider",
        "\"how\":\"oidc\"",
        "\"by\":\"groups\"",
    ] {
        assert!(audit.contains(entry), "{entry}: {audit}");
    }
    let out = ada.post("/users/sign-out", &[]).await;
    let page = ada.get(out.location()).await.body;
    assert!(
        page.contains(&format!("{}/leave?", provider.issuer)),
        "{page}"
    );
}

#[tokio::test]
async fn an_address_must_be_verified_and_an_account_is_not_taken_by_it() {
    let provider = TestProvider::start().await;
    provider.answers.lock().unwrap().user_info = json!({"sub": "ada"});
    // What the account is, what the provider says, what the operator allows; and what Ada reads, if she is not let in.
    for (has_account, says, links, accepts, refused) in [
        (false, json!({"groups": ["devs"]}), false, false, None),
        (
            false,
            json!({}),
            false,
            false,
            Some("Nobody here knows you yet"),
        ),
        (
            false,
            json!({"email": null, "groups": ["devs"]}),
            false,
            false,
            Some("does not tell your email"),
        ),
        (
            false,
            json!({"email": "no address", "groups": ["devs"]}),
            false,
            false,
            Some("Nobody here knows you yet"),
        ),
        (
            false,
            json!({"email_verified": false, "groups": ["devs"]}),
            false,
            false,
            Some("not verified at Acme ID"),
        ),
        (
            false,
            json!({"email_verified": null, "groups": ["devs"]}),
            false,
            false,
            Some("not verified at Acme ID"),
        ),
        (
            false,
            json!({"email_verified": false, "groups": ["devs"]}),
            false,
            true,
            None,
        ),
        (
            true,
            json!({"groups": ["devs"]}),
            false,
            false,
            Some("There is an account with your address"),
        ),
        (
            true,
            json!({"groups": ["devs"], "email": "ADA@example.com"}),
            false,
            false,
            Some("There is an account"),
        ),
        (true, json!({"groups": ["devs"]}), true, false, None),
        (
            true,
            json!({"email_verified": false}),
            true,
            true,
            Some("There is an account with your address"),
        ),
        (true, json!({"email_verified": "true"}), true, false, None),
    ] {
        let api = with_provider(&provider, |oidc| {
            oidc.links_accounts = links;
            oidc.accepts_unverified_email = accepts;
        })
        .await;
        if has_account {
            Browser::signed_in(&api, "ada@example.com", false).await;
        }
        let mut ada = Browser::new(&api);
        let answer = sign_in(&mut ada, &provider, says.clone()).await;
        let case = format!("{has_account} {says} {links} {accepts}: {}", answer.body);
        assert_eq!(is_in(&mut ada).await, refused.is_none(), "{case}");
        if let Some(why) = refused {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{case}");
            assert!(answer.body.contains(why), "{case}");
        }
    }
}

#[tokio::test]
async fn what_the_token_lacks_is_in_the_user_info_of_the_same_person() {
    let provider = TestProvider::start().await;
    let api = with_provider(&provider, |_| {}).await;
    let said = |sub| json!({"sub": sub, "email": "ada@example.com", "email_verified": true, "groups": ["devs"]});
    let thin = json!({"email": null, "email_verified": null, "name": null, "groups": null});
    for (user_info, enters) in [
        (said("eve"), false),
        (Value::Null, false),
        (said("ada"), true),
    ] {
        provider.answers.lock().unwrap().user_info = user_info.clone();
        let mut ada = Browser::new(&api);
        sign_in(&mut ada, &provider, thin.clone()).await;
        assert_eq!(is_in(&mut ada).await, enters, "{user_info}");
    }
}

#[tokio::test]
async fn keys_are_read_again_when_the_provider_has_new_ones() {
    let provider = TestProvider::start().await;
    let api = with_provider(&provider, |_| {}).await;
    let mut ada = Browser::new(&api);
    for key in [
        SigningKey::new("one", 1),
        SigningKey::new("two", 2),
        SigningKey::new("two", 3),
    ] {
        provider.answers.lock().unwrap().keys = vec![key.clone()];
        let done = sign_in(&mut ada, &provider, json!({"groups": ["devs"]})).await;
        assert_eq!(
            done.status,
            StatusCode::SEE_OTHER,
            "{}: {}",
            key.id,
            done.body
        );
    }
    assert_eq!(
        provider.answers.lock().unwrap().described,
        3,
        "it is read when it must be, and not at each sign-in"
    );
}
