//! Makes and uses keys in every way, also in wrong places, then searches all files, logs and answers
//! for their text.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails loudly"
)]

mod common;

use axum::http::Method;
use common::http::*;
use common::log::Log;
use gmtech_core::sync::events::{Label, UsageEvent, encode_batch};
use gmtech_core::usage::{Tokens, Usage};
use serde_json::{Value, json};

fn files(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn no_key_and_no_token_is_in_any_file_log_or_answer() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let api = Api::new().await;
    let mut answers: Vec<String> = Vec::new();
    let made = api.key("acme").await;
    let rotated = api
        .post(
            &format!("/admin/v1/keys/{}/rotate", text(&made, "id")),
            json!({}),
        )
        .await;
    let token = api
        .post("/admin/v1/tokens", json!({"name": "t", "role": "reader"}))
        .await;
    let keys = [text(&made, "key"), text(&rotated, "key")].map(String::from);
    let key = keys[0].as_str();

    // A key by mistake in every field of every request.
    let wrong = [
        (
            Method::POST,
            "keys".into(),
            json!({"team": "acme", "name": key}),
        ),
        (
            Method::POST,
            "keys".into(),
            json!({"team": key, "name": "n"}),
        ),
        (
            Method::POST,
            "keys".into(),
            json!({"team": "acme", "name": "n", "tier": key}),
        ),
        (
            Method::POST,
            "keys".into(),
            json!({"team": "acme", "name": "n", "expires_at": key}),
        ),
        (
            Method::POST,
            "keys".into(),
            json!({"team": "acme", "name": "n", key: key}),
        ),
        (
            Method::POST,
            "keys".into(),
            json!({"team": "acme", "name": "n", "limits": key}),
        ),
        (
            Method::POST,
            "teams".into(),
            json!({"id": "x", "name": key}),
        ),
        (
            Method::PUT,
            "teams/acme/members".into(),
            json!({"email": format!("{key}@example.com"), "role": "owner"}),
        ),
        (
            Method::PUT,
            "teams/acme/members".into(),
            json!({"email": "a@example.com", "role": key}),
        ),
        (
            Method::POST,
            "teams/acme/credit".into(),
            json!({"amount_usd": "1", "note": key}),
        ),
        (
            Method::POST,
            "tokens".into(),
            json!({"name": key, "role": "reader"}),
        ),
        (Method::GET, format!("keys/{key}"), Value::Null),
        (Method::GET, format!("keys?status={key}"), Value::Null),
        (Method::GET, format!("keys?after={key}"), Value::Null),
        (Method::GET, format!("usage?from={key}"), Value::Null),
        (
            Method::POST,
            format!("keys/{key}/revoke?wait={key}"),
            Value::Null,
        ),
    ];
    for (method, path, body) in wrong {
        let body = Some(body).filter(|b| !b.is_null());
        let (status, json) = api
            .ask(ADMIN, method, &format!("/admin/v1/{path}"), body)
            .await;
        answers.push(json.to_string());
        assert!(
            status.is_client_error() || path.contains("after="),
            "{path}: {status} {json}"
        );
    }
    let (_, json) = api.ask(key, Method::GET, "/admin/v1/keys", None).await;
    answers.push(json.to_string());
    let body = Some(json!({"team": "acme", "name": "n"}));
    let (_, json) = api
        .ask_with(
            ADMIN,
            Method::POST,
            "/admin/v1/keys",
            body,
            &[("idempotency-key", key)],
        )
        .await;
    answers.push(json.to_string());

    // A client that has put its key into the model field, in a report and in an import.
    let event = UsageEvent {
        id: [1; 16],
        key: text(&made, "id").parse().unwrap(),
        team: "acme".parse().unwrap(),
        tier: "free".parse().unwrap(),
        model: gmtech_core::model::ModelId::new(key).ok(),
        endpoint: Label::clip(&format!("/{key}")),
        decision: Label::clip("allowed").into(),
        status: 200,
        duration_ms: 1,
        started_unix_ms: u64::try_from(common::NOON.0).unwrap(),
        usage: Usage::Exact(Tokens::of(1, 1)),
        requests: 1,
        object: None,
        request_id: Label::default(),
        endpoint_group: Label::default(),
    };
    let batch = encode_batch(&[event]).unwrap();
    let (_, said) = api.sync(PROXY, Method::POST, "/sync/v1/usage", batch).await;
    assert!(
        String::from_utf8_lossy(&said).contains("\"accepted\":1"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    for path in [
        format!("resolve/{key}"),
        format!("changes?epoch=1&proxy={key}"),
    ] {
        let (_, bytes) = api
            .sync(PROXY, Method::GET, &format!("/sync/v1/{path}"), vec![])
            .await;
        answers.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for path in [
        "keys",
        "teams",
        "audit",
        "tokens",
        "usage?by=model",
        "teams/acme/ledger",
        "proxies",
    ] {
        answers.push(api.get(&format!("/admin/v1/{path}")).await.to_string());
    }
    answers.push(format!("{:?}", api.config.admin_token));

    let mut written = files(api.dir.path());
    assert!(
        written
            .iter()
            .any(|(name, bytes)| name.ends_with("gmtech.db-wal") && bytes.len() > 10_000)
    );
    let log = log.bytes();
    assert!(
        String::from_utf8_lossy(&log).contains("key rotated"),
        "the log was captured"
    );
    written.push(("the log".into(), log));
    written.extend(
        answers
            .into_iter()
            .map(|a| ("an answer".into(), a.into_bytes())),
    );
    // A part of each secret that its redacted form does not show.
    let pieces =
        keys.iter()
            .map(|k| &k[12..28])
            .chain([ADMIN, PROXY, &text(&token, "token")[10..]]);
    for piece in pieces {
        for (name, bytes) in &written {
            let found = bytes
                .windows(piece.len())
                .any(|window| window == piece.as_bytes());
            assert!(
                !found,
                "{name} holds a secret: {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
