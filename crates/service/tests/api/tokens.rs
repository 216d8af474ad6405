//! What each token gives access to, how configured tokens are replaced while the service runs, and how uses are recorded.

use axum::http::Method;
use gmtech_core::sync::events::encode_batch;
use gmtech_service::clock::{Millis, Reading};
use gmtech_service::config::Config;
use gmtech_service::secret::Token;
use serde_json::{Value, json};

use crate::common::event;
use crate::common::http::*;
use crate::common::log::Log;

const NEW_ADMIN: &str = "another-admin-token-for-tests";
const NEW_PROXY: &str = "another-proxy-token-for-tests";

fn token(text: &str) -> Token {
    Token::parse(text).unwrap()
}

async fn get(api: &Api, token: &str, path: &str) -> (u16, Value) {
    let (status, json) = api.ask(token, Method::GET, path, None).await;
    (status.as_u16(), json)
}

async fn me(api: &Api, token: &str) -> u16 {
    get(api, token, "/admin/v1/me").await.0
}

/// The answer to a proxy with this token.
async fn poll(api: &Api, token: &str) -> (u16, String) {
    let path = "/sync/v1/changes?epoch=0&since=0";
    let (status, bytes) = api.sync(token, Method::GET, path, vec![]).await;
    (
        status.as_u16(),
        String::from_utf8_lossy(&bytes).into_owned(),
    )
}

async fn revoke(api: &Api, id: &str) -> (u16, Value) {
    let path = format!("/admin/v1/tokens/{id}");
    let (status, json) = api.ask(ADMIN, Method::DELETE, &path, None).await;
    (status.as_u16(), json)
}

fn configured(list: &Value, role: &str) -> Vec<String> {
    let tokens = list["data"].as_array().unwrap().iter();
    let valid = tokens.filter(|t| t["role"] == role && t["revoked_at"].is_null());
    valid.map(|t| text(t, "id").to_owned()).collect()
}

/// The configuration of a running service with other tokens.
fn with_tokens(api: &Api, admin: &str, proxies: &str) -> Config {
    let mut config = api.config.clone();
    (config.admin_token, config.sync_token) = (token(admin), token(proxies));
    config
}

#[tokio::test]
async fn a_start_with_another_administrators_token_ends_the_previous_one() {
    let mut api = Api::new().await;
    assert_eq!(me(&api, ADMIN).await, 200);
    api.config.admin_token = token(NEW_ADMIN);
    let (log, _guard) = Log::of_this_thread();
    let api = api.restarted().await;
    assert_eq!(me(&api, NEW_ADMIN).await, 200);
    let (status, json) = get(&api, ADMIN, "/admin/v1/me").await;
    assert_eq!(status, 401);
    let said = text(&json["error"], "message");
    assert!(said.starts_with("This token was revoked at 20"), "{said}");
    assert_eq!(log.lines("configured before has ended").len(), 1);
    let (_, audit) = get(&api, NEW_ADMIN, "/admin/v1/audit").await;
    let ended = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["action"] == "token.revoke");
    assert_eq!(ended.unwrap()["actor"], "service");
}

#[tokio::test]
async fn a_start_with_a_revoked_token_logs_it_and_serves_the_others() {
    let api = Api::new().await;
    let other = api
        .post("/admin/v1/tokens", json!({"name": "ops", "role": "admin"}))
        .await;
    let first = api.get("/admin/v1/me").await;
    assert_eq!(revoke(&api, text(&first, "id")).await.0, 204);
    let (log, _guard) = Log::of_this_thread();
    let api = api.restarted().await;
    let lines = log.lines("the configured token has ended");
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["level"], &lines[0]["fields"]["token"]),
        (&json!("ERROR"), &first["id"])
    );
    assert_eq!(me(&api, ADMIN).await, 401);
    assert_eq!(me(&api, text(&other, "token")).await, 200);
}

#[tokio::test]
async fn the_last_administrators_token_cannot_be_revoked() {
    let api = Api::new().await;
    let me = api.get("/admin/v1/me").await;
    let (status, json) = revoke(&api, text(&me, "id")).await;
    assert_eq!((status, text(&json["error"], "code")), (409, "conflict"));
    assert!(text(&json["error"], "message").contains("make another one first"));
    assert_eq!(api.get("/admin/v1/me").await["revoked_at"], Value::Null);
}

#[tokio::test]
async fn each_listener_accepts_its_own_tokens_and_counts_the_others() {
    let api = Api::new().await;
    let make = |role: &str| api.post("/admin/v1/tokens", json!({"name": "t", "role": role}));
    let (reader, proxy, ended) = (
        make("reader").await,
        make("proxy").await,
        make("reader").await,
    );
    revoke(&api, text(&ended, "id")).await;
    let [reader, proxy, ended] = [&reader, &proxy, &ended].map(|t| text(t, "token"));
    for (token, management, sync) in [
        (ADMIN, 200, 401),
        (reader, 200, 401),
        (PROXY, 401, 200),
        (proxy, 401, 200),
        (ended, 401, 401),
        ("nobody-has-such-a-token", 401, 401),
        ("", 401, 401),
    ] {
        assert_eq!(me(&api, token).await, management, "{token}");
        assert_eq!(poll(&api, token).await.0, sync, "{token}");
    }
    let (_, said) = poll(&api, ended).await;
    assert!(said.contains("was revoked at"), "{said}");
    let metrics = api.text("/metrics").await;
    for (listener, reason, count) in [
        ("management", "other_listener", 2),
        ("management", "revoked", 1),
        ("management", "unknown", 1),
        ("management", "missing", 1),
        ("sync", "other_listener", 2),
        ("sync", "revoked", 2),
        ("sync", "unknown", 1),
        ("sync", "missing", 1),
    ] {
        let line = format!(
            "gmtech_service_tokens_rejected_total{{listener=\"{listener}\",reason=\"{reason}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn metrics_count_requests_events_and_proxies_and_name_nobody() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    api.frame("/sync/v1/changes?epoch=0&since=0").await;
    let head = api.service.store.head().await.unwrap();
    for (name, version) in [("ahead", head.version), ("lagging-proxy", head.version - 1)] {
        let path = format!(
            "/sync/v1/receipts?proxy={name}&epoch={}&version={version}",
            head.epoch
        );
        api.sync(PROXY, Method::POST, &path, vec![]).await;
    }
    let id = text(&key, "id").parse().unwrap();
    let mut event = event(&api.service.store.key(&id).await.unwrap(), 1, 0).event;
    event.started_unix_ms = Millis::now().0.try_into().unwrap();
    let batch = encode_batch(&[event.clone(), event]).unwrap();
    api.sync(PROXY, Method::POST, "/sync/v1/usage", batch).await;
    get(&api, ADMIN, "/nowhere").await;
    let metrics = api.text("/metrics").await;
    for line in [
        "gmtech_service_requests_total{listener=\"management\",method=\"POST\",route=\"/admin/v1/keys\",status=\"201\"} 1\n",
        "gmtech_service_requests_total{listener=\"management\",method=\"GET\",route=\"none\",status=\"404\"} 1\n",
        "gmtech_service_requests_total{listener=\"sync\",method=\"POST\",route=\"/sync/v1/receipts\",status=\"204\"} 2\n",
        "gmtech_service_events_total{result=\"accepted\"} 1\n",
        "gmtech_service_events_total{result=\"duplicate\"} 1\n",
        "gmtech_service_proxies{state=\"current\"} 1\n",
        "gmtech_service_proxies{state=\"behind\"} 1\n",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    for private in ["acme", text(&key, "id"), "lagging-proxy"] {
        assert!(!metrics.contains(private), "{private} is in {metrics}");
    }
}

#[tokio::test]
async fn rejected_tokens_are_logged_without_their_text_and_at_a_bounded_rate() {
    let api = Api::new().await;
    let (log, _guard) = Log::of_this_thread();
    let wrong = "a-token-that-nobody-has-made";
    for _ in 0..50 {
        assert_eq!(me(&api, wrong).await, 401);
    }
    let lines = log.lines("a token was rejected");
    assert!((10..20).contains(&lines.len()), "{} lines", lines.len());
    let digest = hex::encode(&gmtech_service::secret::digest(wrong)[..4]);
    assert_eq!(lines[0]["fields"]["digest"], json!(digest));
    assert_eq!(lines[0]["fields"]["listener"], json!("management"));
    assert!(!String::from_utf8(log.bytes()).unwrap().contains(wrong));
}

#[tokio::test]
async fn tokens_and_prices_can_change_while_the_service_runs() {
    let api = Api::new().await;
    let mut config = with_tokens(&api, NEW_ADMIN, NEW_PROXY);
    config.prices =
        serde_json::from_value(json!({"fallback": {"input": "0", "output": "1"}})).unwrap();
    api.service.reload(&config).await.unwrap();
    for (token, status) in [(ADMIN, 401), (NEW_ADMIN, 200)] {
        assert_eq!(me(&api, token).await, status, "{token}");
    }
    // Both tokens work: Envoys use the old one until they are restarted.
    for token in [PROXY, NEW_PROXY] {
        assert_eq!(poll(&api, token).await.0, 200, "{token}");
    }
    let (_, tokens) = get(&api, NEW_ADMIN, "/admin/v1/tokens").await;
    assert_eq!(configured(&tokens, "proxy").len(), 2);
    assert_eq!(configured(&tokens, "admin").len(), 1);

    // A change that the store refuses has no effect.
    let broken = with_tokens(&api, NEW_PROXY, NEW_PROXY);
    assert!(api.service.reload(&broken).await.is_err());
    assert_eq!(me(&api, NEW_ADMIN).await, 200);
}

#[tokio::test]
async fn a_tokens_last_use_is_recorded_and_survives_a_restart() {
    let api = Api::new().await;
    poll(&api, PROXY).await;
    let used = |list: &Value| {
        let tokens = list["data"].as_array().unwrap().clone();
        let used = tokens.iter().filter(|t| t["last_used_at"].is_string());
        used.map(|t| text(t, "role").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(used(&api.get("/admin/v1/tokens").await).len(), 2);
    api.service.housekeeping(Reading::now()).await.unwrap();
    let api = api.restarted().await;
    let tokens = api.service.store.tokens().await.unwrap();
    assert!(
        tokens.iter().all(|t| t.last_used_at.is_some()),
        "{tokens:?}"
    );
}

#[tokio::test]
async fn the_answer_and_the_log_have_the_same_request_id() {
    let api = Api::new().await;
    let (log, _guard) = Log::of_this_thread();
    let body = Some(json!({"id": "acme"}));
    let headers = [("x-request-id", "of-the-caller")];
    let id = api
        .request_id(ADMIN, Method::POST, "/admin/v1/teams", body, &headers)
        .await;
    assert_eq!(id, "of-the-caller");
    let line = &log.lines("team created")[0];
    assert_eq!(line["span"]["request_id"], "of-the-caller");
    assert_eq!(line["span"]["route"], "/admin/v1/teams");
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(api.request_id("", Method::GET, "/nowhere", None, &[]).await);
    }
    assert!(seen[0] != seen[1] && !seen[0].is_empty(), "{seen:?}");
}
