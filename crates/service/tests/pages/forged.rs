//! Answers of a provider that no honest one gives, or that belong to another browser: nobody is signed in by them.

use std::collections::HashMap;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::PrivateSigningKey;
use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};

use crate::common::browser::*;
use crate::common::provider::{CLIENT, SECRET, SigningKey, TestProvider, unsigned};
use crate::oidc::{begin, come_back, is_in, sign_in, with_provider};

type Forge = fn(&mut Value, &TestProvider) -> Option<String>;

#[tokio::test]
async fn no_forged_token_signs_anybody_in() {
    let provider = TestProvider::start().await;
    let api = with_provider(&provider, |oidc| oidc.links_accounts = true).await;
    Browser::member(&api, "acme", "ada@example.com", "owner").await;
    let sign = |claims: &Value| SigningKey::new("one", 1).sign(claims);
    let forged: &[(&str, Forge)] = &[
        ("another nonce", |c, _| {
            c["nonce"] = json!("x");
            None
        }),
        ("no nonce", |c, _| {
            c.as_object_mut().unwrap().remove("nonce");
            None
        }),
        ("another audience", |c, _| {
            c["aud"] = json!("other");
            None
        }),
        ("one audience more", |c, _| {
            c["aud"] = json!([CLIENT, "other"]);
            None
        }),
        ("another party", |c, _| {
            c["azp"] = json!("other");
            None
        }),
        ("expired", |c, _| {
            c["exp"] = json!(c["iat"].as_i64().unwrap() - 60);
            None
        }),
        ("another issuer", |c, _| {
            c["iss"] = json!("https://evil.example");
            None
        }),
        ("the issuer with a slash", |c, p| {
            c["iss"] = json!(format!("{}/", p.issuer));
            None
        }),
        ("no algorithm", |c, _| {
            Some(format!("{}.", unsigned(&json!({"alg": "none"}), c)))
        }),
        ("the client's secret as the key", |c, _| {
            let text = unsigned(&json!({"alg": "HS256"}), c);
            let key = CoreHmacKey::new(SECRET.as_bytes());
            let signature = key
                .sign(&CoreJwsSigningAlgorithm::HmacSha256, text.as_bytes())
                .unwrap();
            Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
        }),
        ("a key that is not published", |c, _| {
            Some(SigningKey::new("two", 2).sign(c))
        }),
        ("another key of the same name", |c, _| {
            Some(SigningKey::new("one", 2).sign(c))
        }),
        ("claims that were changed", |c, _| {
            let signed = SigningKey::new("one", 1).sign(c);
            c["sub"] = json!("eve");
            let head = signed.split('.').next().unwrap();
            let body = unsigned(&json!({}), c);
            Some(format!(
                "{head}.{}.{}",
                body.split('.').nth(1).unwrap(),
                signed.split('.').nth(2).unwrap()
            ))
        }),
        ("no token", |_, _| Some(String::new())),
    ];
    for (name, forge) in forged {
        let mut eve = Browser::new(&api);
        let begun = begin(&mut eve, "").await;
        let mut claims = provider.claims(&begun);
        let token = forge(&mut claims, &provider).unwrap_or_else(|| sign(&claims));
        let code = provider.code(&begun, token);
        let fields = [
            ("code", &*code),
            ("state", &begun["state"]),
            ("iss", &provider.issuer),
        ];
        let answer = come_back(&mut eve, &fields).await;
        assert!(
            !answer.status.is_success() && !answer.status.is_redirection(),
            "{name}: {}",
            answer.status
        );
        assert!(answer.body.contains("Acme ID"), "{name}: {}", answer.body);
        assert!(!is_in(&mut eve).await, "{name}");
    }
    let mut ada = Browser::new(&api);
    let done = sign_in(&mut ada, &provider, json!({})).await;
    assert_eq!(
        done.status,
        StatusCode::SEE_OTHER,
        "the honest one: {}",
        done.body
    );
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let provider = TestProvider::start().await;
    let api = with_provider(&provider, |_| {}).await;
    Browser::member(&api, "acme", "kim@example.com", "owner").await;
    let sign = |begun: &HashMap<String, String>| {
        let mut claims = provider.claims(begun);
        claims["groups"] = json!(["devs"]);
        provider.code(begun, SigningKey::new("one", 1).sign(&claims))
    };
    let issuer = &*provider.issuer;
    // Another browser: one that has begun a sign-in of its own, and one that has not.
    let (mut ada, mut eve) = (Browser::new(&api), Browser::new(&api));
    let (begun, of_eve) = (begin(&mut ada, "").await, begin(&mut eve, "").await);
    let code = sign(&begun);
    let fields = [
        ("code", &*code),
        ("state", &begun["state"]),
        ("iss", issuer),
    ];
    for browser in [&mut eve, &mut Browser::new(&api)] {
        let answer = come_back(browser, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(
            answer.body.contains("not begun in this browser"),
            "{}",
            answer.body
        );
        assert!(!is_in(browser).await);
    }
    // A code of somebody else's under the own state does not have the verifier.
    let crossed = [
        ("code", &*code),
        ("state", &of_eve["state"]),
        ("iss", issuer),
    ];
    assert_eq!(
        come_back(&mut eve, &crossed).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(!is_in(&mut eve).await);
    // What the provider would say under another name, an error, and what is missing.
    for fields in [
        &[
            ("code", "c"),
            ("state", "STATE"),
            ("iss", "https://evil.example"),
        ][..],
        &[("code", "c"), ("state", "STATE")],
        &[
            ("error", "access_denied"),
            ("state", "STATE"),
            ("iss", issuer),
        ],
        &[
            ("error", "<script>alert(1)</script>"),
            ("state", "STATE"),
            ("iss", issuer),
        ],
        &[("state", "STATE"), ("iss", issuer)],
        &[("code", "never-given"), ("state", "STATE"), ("iss", issuer)],
        &[("code", "c"), ("state", "other"), ("iss", issuer)],
        &[("code", "c"), ("iss", issuer)],
        &[("error", "access_denied")],
        &[],
    ] {
        let begun = begin(&mut eve, "").await;
        let own = |(name, value): &(_, _)| match *value {
            "STATE" => (*name, begun["state"].clone()),
            value => (*name, value.to_owned()),
        };
        let sent: Vec<(&str, String)> = fields.iter().map(own).collect();
        let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = come_back(&mut eve, &sent).await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{fields:?}: {}",
            answer.body
        );
        assert!(!answer.body.contains("<script>alert"), "{fields:?}");
        assert!(!is_in(&mut eve).await, "{fields:?}");
    }
    // The right browser; and then the same answer again.
    let code = sign(&begun);
    let fields = [
        ("code", &*code),
        ("state", &begun["state"]),
        ("iss", issuer),
    ];
    assert_eq!(
        come_back(&mut ada, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(is_in(&mut ada).await);
    let again = come_back(&mut ada, &fields).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let elsewhere = begin(&mut ada, "https://evil.example/users/").await;
    let code = sign(&elsewhere);
    let fields = [
        ("code", &*code),
        ("state", &elsewhere["state"]),
        ("iss", issuer),
    ];
    assert_eq!(
        come_back(&mut ada, &fields).await.location(),
        "/users/api-keys/"
    );
}
