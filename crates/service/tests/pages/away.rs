//! A provider that is away, or that answers what no program can use: nobody waits for it, and passwords and links go on.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;
use tokio::time::Instant;

use crate::common::browser::*;
use crate::common::provider::TestProvider;
use crate::oidc::{BEGIN, is_in, sign_in, with_provider};

type Broken = fn() -> Response;

#[tokio::test]
async fn without_its_provider_the_service_starts_and_passwords_go_on() {
    let provider = TestProvider::start().await;
    provider.answers.lock().unwrap().is_down = true;
    let api = with_provider(&provider, |_| {}).await;
    let mut ada = Browser::new(&api);
    let answer = ada.get(BEGIN).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.body.contains("Acme ID cannot be reached")
            && answer.body.contains("name=\"password\"")
    );
    Browser::signed_in(&api, "kim@example.com", false).await;
    provider.answers.lock().unwrap().is_down = false;
    // Others are answered at once for a moment after a failure.
    let deadline = Instant::now() + Duration::from_secs(10);
    while ada.get(BEGIN).await.status != StatusCode::SEE_OTHER {
        assert!(Instant::now() < deadline, "it is not asked again");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let done = sign_in(&mut ada, &provider, json!({"groups": ["devs"]})).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);

    let broken: [(&str, Broken); 4] = [
        ("a redirect", || {
            Redirect::temporary("/.well-known/openid-configuration").into_response()
        }),
        ("too much", || {
            let body = format!("{{\"access_token\": \"{}\"}}", "x".repeat(2 << 20));
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }),
        ("no JSON", || "<html>".into_response()),
        ("an access token that is no header", || {
            let tokens = json!({"access_token": "a\nb", "token_type": "Bearer"});
            axum::Json(tokens).into_response()
        }),
    ];
    for (name, answer) in broken {
        provider.answers.lock().unwrap().no_tokens = Some(answer);
        let mut eve = Browser::new(&api);
        let answer = sign_in(&mut eve, &provider, json!({"groups": ["devs"]})).await;
        assert!(
            answer.body.contains("Acme ID") && !answer.status.is_success(),
            "{name}: {}",
            answer.status
        );
        assert!(!is_in(&mut eve).await, "{name}");
    }
}
