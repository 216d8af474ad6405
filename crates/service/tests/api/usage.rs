//! Usage over the management API: queries, output formats, and the record of one request.

use axum::http::{Method, header};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{MINUTE_MS, Millis};
use serde_json::{Value, json};

use crate::common::IngestOne;
use crate::common::http::*;

/// Two requests of one key of acme's, a minute and an hour ago, with these models.
async fn used(api: &Api, models: [&str; 2]) -> String {
    let key = text(&api.key("acme").await, "id").to_owned();
    let now = Millis::now();
    for (n, model) in (1u8..).zip(models) {
        let ago = if n == 1 { 1 } else { 60 };
        let event = UsageEvent {
            id: [n; 16],
            key: KeyId::new(&key).unwrap(),
            team: TeamId::new("acme").unwrap(),
            tier: TierName::new("free").unwrap(),
            model: ModelId::new(model).ok(),
            endpoint: Label::clip("/v1/chat/completions"),
            decision: Label::clip("allowed").into(),
            status: 200,
            duration_ms: 12,
            started_unix_ms: u64::try_from(now.0 - ago * MINUTE_MS).unwrap(),
            usage: Usage::Exact(Tokens::of(10, 5)),
            requests: 1,
            object: None,
            request_id: Label::clip(&format!("request-{n}")),
            endpoint_group: Label::clip("chat_completions"),
        };
        let priced = api.service.price(event);
        api.service.store.ingest(&[priced], now).await.unwrap();
    }
    key
}

#[tokio::test]
async fn usage_is_grouped_by_several_dimensions_at_once() {
    let api = Api::new().await;
    let key = used(&api, ["gpt-4o", "o1"]).await;
    let rows = |answer: Value| answer["data"].as_array().unwrap().clone();
    let both = rows(api.get("/admin/v1/usage?by=model,endpoint&every=day").await);
    let models: Vec<_> = both.iter().map(|r| r["groups"]["model"].clone()).collect();
    assert!(
        models.contains(&json!("gpt-4o")) && models.contains(&json!("o1")),
        "{both:?}"
    );
    assert_eq!(both[0]["groups"]["endpoint"], "chat_completions");
    assert!(both[0]["start"].as_str().unwrap().ends_with("T00:00:00Z"));
    // Queries with a single dimension, or with none.
    let by_key = rows(api.get("/admin/v1/usage").await);
    assert_eq!(
        (&by_key[0]["group"], &by_key[0]["requests"]),
        (&json!(key), &json!(2))
    );
    let days = rows(api.get("/admin/v1/usage?by=day").await);
    assert_eq!(days[0]["group"].as_str().unwrap().len(), "2026-11-23".len());
    let minutes = rows(api.get("/admin/v1/usage?every=minute&model=gpt-4o").await);
    assert_eq!((minutes.len(), &minutes[0]["requests"]), (1, &json!(1)));
    for (filter, requests) in [
        ("model=o1", 1),
        ("endpoint=chat_completions", 2),
        ("endpoint=embeddings", 0),
        ("decision=allowed", 2),
        ("decision=key_revoked", 0),
        ("model=", 0),
        ("team=acme", 2),
    ] {
        let found = rows(api.get(&format!("/admin/v1/usage?by=&{filter}")).await);
        let sum: i64 = found.iter().map(|r| r["requests"].as_i64().unwrap()).sum();
        assert_eq!(sum, requests, "{filter}");
    }
    let first = api.get("/admin/v1/usage?by=model&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = api
        .get(&format!("/admin/v1/usage?by=model&limit=1&after={next}"))
        .await;
    assert_eq!(second["next"], Value::Null);
    assert_ne!(first["data"][0]["group"], second["data"][0]["group"]);
}

#[tokio::test]
async fn an_invalid_query_is_refused_and_named() {
    let api = Api::new().await;
    let key = used(&api, ["gpt-4o", "o1"]).await;
    let other = text(&api.key("umbrella").await, "id").to_owned();
    for (query, status, param) in [
        ("by=keys", 400, Some("by")),
        ("every=week", 400, Some("every")),
        ("by=day&every=hour", 400, Some("every")),
        ("from=yesterday", 400, Some("from")),
        ("to=2026-11-23T12:00:30Z", 400, Some("to")),
        ("from=2026-11-24&to=2026-11-23", 400, Some("from")),
        ("to=2026-11-23T12:00:00Z", 400, Some("from")),
        ("limit=0", 400, Some("limit")),
        ("limit=10001", 400, Some("limit")),
        ("after=7b7d", 404, Some("after")),
        ("endpoint=chat", 400, Some("endpoint")),
        ("model=two%20words", 400, Some("model")),
        ("model=%00", 400, Some("model")),
        ("decision=", 400, Some("decision")),
        ("format=xml", 400, Some("format")),
        ("group=key", 400, None),
        ("team=nobody", 404, None),
        ("key=key_nobody", 404, None),
    ] {
        let path = format!("/admin/v1/usage?{query}");
        let (got, answer) = api.ask(ADMIN, Method::GET, &path, None).await;
        assert_eq!(got.as_u16(), status, "{query}: {answer}");
        assert_eq!(answer["error"]["param"].as_str(), param, "{query}");
    }
    let reader = json!({"name": "t", "role": "reader", "team": "acme"});
    let reader = text(&api.post("/admin/v1/tokens", reader).await, "token").to_owned();
    for (query, status) in [
        (format!("key={key}"), 200),
        (format!("key={other}"), 404),
        ("team=umbrella".into(), 404),
        ("by=team".into(), 200),
    ] {
        let path = format!("/admin/v1/usage?{query}");
        let (got, answer) = api.ask(&reader, Method::GET, &path, None).await;
        assert_eq!(got.as_u16(), status, "{query}: {answer}");
        if status == 200 {
            assert_eq!(
                answer["data"].as_array().unwrap().len(),
                1,
                "its own team alone"
            );
        }
    }
}

#[tokio::test]
async fn usage_is_exported_as_csv_and_json_lines_page_by_page() {
    let api = Api::new().await;
    let key = used(&api, ["=cmd|calc!A1", "o1"]).await;
    let ask = async |path: &str, accept: &'static str| {
        let (head, body) = api.read(path, accept).await;
        let value = |name| head.get(name).map(|v| v.to_str().unwrap().to_owned());
        (
            value(header::CONTENT_TYPE).unwrap(),
            value(header::LINK),
            body,
        )
    };
    let (kind, link, csv) = ask("/admin/v1/usage?by=key,model&format=csv&limit=1", "*/*").await;
    assert!(kind.starts_with("text/csv"), "{kind}");
    assert!(
        csv.starts_with("key,model,requests,refused,input_tokens,"),
        "{csv}"
    );
    assert!(
        csv.contains(&format!("\n{key},'=cmd|calc!A1,1,0,10,")),
        "{csv}"
    );
    let link = link.unwrap();
    let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    let (_, link, csv) = ask(next, "*/*").await;
    assert!(
        csv.contains(&format!("\n{key},o1,1,0,10,")) && link.is_none(),
        "{csv}"
    );
    let (kind, _, lines) = ask("/admin/v1/usage?by=model", "application/jsonl").await;
    assert_eq!(kind, "application/jsonl");
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!((lines.len(), &lines[1]["group"]), (2, &json!("o1")));
}

#[tokio::test]
async fn a_requests_record_is_visible_to_its_team_only() {
    let api = Api::new().await;
    let key = used(&api, ["gpt-4o", "o1"]).await;
    api.key("umbrella").await;
    let found = api.get("/admin/v1/requests/request-1").await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let record = &found["data"][0];
    assert_eq!(
        (&record["key"], &record["model"]),
        (&json!(key), &json!("gpt-4o"))
    );
    assert_eq!(
        (&record["endpoint"], &record["status"]),
        (&json!("chat_completions"), &json!(200))
    );
    assert!(record["cost_nano_usd"].as_i64().unwrap() > 0 && record["priced_by"].is_string());
    let token = |team: &str| json!({"name": "t", "role": "reader", "team": team});
    let own = text(&api.post("/admin/v1/tokens", token("acme")).await, "token").to_owned();
    let others = text(
        &api.post("/admin/v1/tokens", token("umbrella")).await,
        "token",
    )
    .to_owned();
    for (token, id, status) in [
        (&own, "request-1", 200),
        (&others, "request-1", 404),
        (&own, "request-9", 404),
    ] {
        let path = format!("/admin/v1/requests/{id}");
        let (got, answer) = api.ask(token, Method::GET, &path, None).await;
        assert_eq!(got.as_u16(), status, "{answer}");
        if status == 404 {
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(
                message.contains("refusals are summed") && message.contains("30 days"),
                "{message}"
            );
        }
    }
}
