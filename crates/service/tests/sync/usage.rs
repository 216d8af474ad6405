//! Usage from a proxy, and its effect on credit.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use gmtech_core::ident::{KeyId, TeamId, TierName};
use gmtech_core::model::ModelId;
use gmtech_core::sync::events::{Label, UsageEvent, encode_batch};
use gmtech_core::usage::{Tokens, Usage};
use gmtech_service::clock::{Millis, Reading};
use serde_json::{Value, json};

use crate::Proxy;
use crate::common::http::*;

pub(crate) fn event(key: &Value, n: u8, model: &str) -> UsageEvent {
    UsageEvent {
        id: [n; 16],
        key: KeyId::new(text(key, "id")).unwrap(),
        team: TeamId::new(text(key, "team")).unwrap(),
        tier: TierName::new("free").unwrap(),
        model: ModelId::new(model).ok(),
        endpoint: Label::clip("/v1/chat/completions"),
        decision: Label::clip("allowed").into(),
        status: 200,
        duration_ms: 5,
        started_unix_ms: Millis::now().0 as u64,
        usage: Usage::Exact(Tokens::of(1_000, 100)),
        requests: 1,
        object: None,
        request_id: Label::default(),
        endpoint_group: Label::default(),
    }
}

pub(crate) async fn send(api: &Api, events: &[UsageEvent]) -> Value {
    let batch = encode_batch(events).unwrap();
    let (status, body) = api.sync(PROXY, Method::POST, "/sync/v1/usage", batch).await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn usage_becomes_money_once_and_exhausts_the_pool() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    // gpt-4o costs 2.50 and 10 dollars per million tokens, so each request costs 0.0025 + 0.001 dollars.
    api.post(
        "/admin/v1/teams/acme/credit",
        json!({"amount_usd": "0.005"}),
    )
    .await;
    let done = send(&api, &[event(&key, 1, "gpt-4o"), event(&key, 1, "gpt-4o")]).await;
    assert_eq!(
        (&done["accepted"], &done["duplicate"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        api.get("/admin/v1/teams/acme").await["balance_nano_usd"],
        1_500_000
    );
    proxy.follow(&api, "").await;
    assert!(!proxy.exhausted["acme"]);
    send(&api, &[event(&key, 2, "gpt-4o")]).await;
    let team = api.get("/admin/v1/teams/acme").await;
    assert_eq!(
        (&team["balance_nano_usd"], &team["exhausted"]),
        (&json!(-2_000_000), &json!(true))
    );
    proxy.follow(&api, "").await;
    assert!(proxy.exhausted["acme"]);
    api.post("/admin/v1/teams/acme/credit", json!({"amount_usd": "1"}))
        .await;
    proxy.follow(&api, "").await;
    assert!(!proxy.exhausted["acme"]);

    // The access log has event 2 too, and one more that was never reported.
    let entry = |n: u8| {
        json!({"event_id": hex::encode([n; 16]), "key_id": key["id"], "team_id": "acme", "tier": "free", "model": "no-such-model",
            "tokens_input": 1000, "tokens_output": "100", "usage_source": "exact", "status": 200, "decision": "allowed",
            "endpoint": "/v1/chat/completions", "duration_ms": 5, "start_time": Millis::now().to_rfc3339()})
    };
    let mut refused = entry(4);
    (refused["decision"], refused["event_id"]) = (json!("key_revoked"), json!("-"));
    // An implausible number rejects its own line only.
    let mut absurd = entry(5);
    absurd["tokens_input"] = json!(9_200_000_000_000_000_000_u64);
    let mut strange = entry(6);
    strange["key_id"] = json!("key_of_nobody");
    let entries =
        json!([absurd, entry(2), entry(3), refused, strange, {"key_id": "-"}, {"key_id": "key_x"}]);
    for (accepted, duplicate, cost) in [(1, 1, 13_000_000), (0, 2, 0)] {
        let done = api.post("/admin/v1/usage/import", entries.clone()).await;
        let expected = json!({"accepted": accepted, "late": 0, "duplicate": duplicate, "unknown_key": 1, "malformed": 2,
            "summed": 1, "unattributed": 1, "cost_nano_usd": cost});
        assert_eq!(done, expected);
    }
    let audit = api.get("/admin/v1/audit?subject=usage").await;
    let imports: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                text(e, "action"),
                &e["detail"]["lines"],
                &e["detail"]["result"]["cost_nano_usd"],
            )
        })
        .collect();
    assert_eq!(
        imports,
        [
            ("usage.import", &json!(7), &json!(0)),
            ("usage.import", &json!(7), &json!(13_000_000))
        ]
    );
    let usage = api.get("/admin/v1/usage?by=model").await;
    let rows: Vec<_> = usage["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (text(r, "group"), &r["cost_nano_usd"]))
        .collect();
    // The fallback price: 10 and 30 dollars per million tokens.
    assert_eq!(
        rows,
        [
            ("gpt-4o", &json!(7_000_000)),
            ("no-such-model", &json!(13_000_000))
        ]
    );
    assert!(
        api.get(&format!("/admin/v1/keys/{}", text(&key, "id")))
            .await["last_used_at"]
            .is_string()
    );
}

#[tokio::test]
async fn an_invalid_batch_is_refused_and_counts_nothing() {
    let api = Api::new().await;
    for body in [vec![], vec![9, 0, 0], vec![1, 0, 5], b"[]".to_vec()] {
        let (status, _) = api.sync(PROXY, Method::POST, "/sync/v1/usage", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_invalid_event_does_not_affect_the_others() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    let mut stranger = event(&key, 2, "gpt-4o");
    stranger.key = "key_of_nobody".parse().unwrap();
    let mut ancient = event(&key, 3, "gpt-4o");
    ancient.started_unix_ms = 0;
    let mut batch = encode_batch(&[
        event(&key, 1, "gpt-4o"),
        stranger,
        ancient,
        event(&key, 4, "gpt-4o"),
    ])
    .unwrap();
    // The source byte of the first event, which follows a version, a count, a length and an id.
    batch[1 + 2 + 2 + 16] = 99;
    let (status, body) = api.sync(PROXY, Method::POST, "/sync/v1/usage", batch).await;
    let done: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({"accepted": 2, "late": 1, "duplicate": 0, "unknown_key": 1, "malformed": 1, "summed": 0,
        "unattributed": 0, "cost_nano_usd": 7_000_000});
    assert_eq!((status, done), (StatusCode::OK, expected));
}

/// The machine's clocks, with a wall clock that is wrong by some seconds, from some seconds after the first reading.
fn clocks(first: Reading, wrong: i64, after: u64) -> Reading {
    Reading {
        wall: Millis(first.wall.0 + (wrong + after as i64) * 1000),
        uptime: first.uptime + Duration::from_secs(after),
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_leaves_no_usage_free_and_drops_none() {
    const YEAR: i64 = 365 * 86_400;
    let api = Api::with(|config| config.keep_events_days = 0).await;
    let key = api.key("acme").await;
    let first = Reading::now();
    api.service.tick(first).await.unwrap();
    send(&api, &[event(&key, 1, "gpt-4o")]).await;
    for (wrong, after) in [
        (YEAR, 31),
        (YEAR, 35),
        (0, 36),
        (0, 70),
        (-YEAR, 80),
        (0, 90),
    ] {
        api.service.tick(clocks(first, wrong, after)).await.unwrap();
        let id = u8::try_from(after).unwrap();
        let done = send(&api, &[event(&key, id, "gpt-4o"), event(&key, 1, "gpt-4o")]).await;
        let said = (&done["accepted"], &done["late"], &done["duplicate"]);
        assert_eq!(said, (&json!(1), &json!(0), &json!(1)), "{wrong} {after}");
    }
    let usage = api.get("/admin/v1/usage?by=team").await;
    assert_eq!(usage["data"][0]["requests"], 7);
    assert!(api.service.clock_lag() < Duration::from_secs(60));

    // Either the service was stopped for a year or the clock is wrong; an operator who knows uses --trust-clock.
    api.service.tick(clocks(first, YEAR, 130)).await.unwrap();
    assert!(api.service.clock_lag() > Duration::from_secs(360 * 86_400));
    api.service
        .store
        .prove(
            api.service.store.proven().await.unwrap(),
            first.wall.after(Duration::from_secs(2 * 86_400)),
        )
        .await
        .unwrap();
    api.service
        .tick(clocks(first, 3 * 86_400, 170))
        .await
        .unwrap();
    // The day is closed and its events are removed. Their ids are still known, and late events count.
    let done = send(
        &api,
        &[event(&key, 1, "gpt-4o"), event(&key, 200, "gpt-4o")],
    )
    .await;
    let said = (&done["accepted"], &done["late"], &done["duplicate"]);
    assert_eq!(said, (&json!(1), &json!(1), &json!(1)));
}

#[tokio::test]
async fn a_clock_that_jumps_back_closes_the_budgets_that_it_had_opened() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    let id = text(&key, "id");
    let first = Reading::now();
    api.service.tick(first).await.unwrap();
    let path = format!("/admin/v1/keys/{id}");
    let budget = json!({"budgets": {"day_nano_usd": 1}});
    api.ask(ADMIN, Method::PATCH, &path, Some(budget)).await;
    send(&api, &[event(&key, 1, "gpt-4o")]).await;
    let over = async || api.get(&path).await["over_budget"] == json!(true);
    assert!(over().await);
    for (wrong, after, is_over) in [(2 * 86_400, 1, false), (0, 2, true), (0, 3, true)] {
        api.service.tick(clocks(first, wrong, after)).await.unwrap();
        assert_eq!(over().await, is_over, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_client_that_hangs_up_counts_whole_or_not_at_all() {
    let api = Arc::new(Api::new().await);
    let key = api.key("acme").await;
    let batch = |round: u8| -> Vec<_> {
        (0..20)
            .map(|n| event(&key, round * 20 + n, "gpt-4o"))
            .collect()
    };
    for round in 0..10u8 {
        let (api, body) = (api.clone(), encode_batch(&batch(round)).unwrap());
        let asked =
            tokio::spawn(
                async move { api.sync(PROXY, Method::POST, "/sync/v1/usage", body).await },
            );
        // Dropped at some await of the handler, at a different one each time.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        asked.abort();
    }
    for round in 0..10u8 {
        let done = send(&api, &batch(round)).await;
        let counted = (
            done["accepted"].as_u64().unwrap(),
            done["duplicate"].as_u64().unwrap(),
        );
        assert!(matches!(counted, (20, 0) | (0, 20)), "{counted:?}");
    }
    let usage = api.get("/admin/v1/usage").await;
    assert_eq!(usage["data"][0]["requests"], 200);
}

#[tokio::test]
async fn batches_of_older_and_newer_proxies_are_accepted() {
    let api = Api::new().await;
    let key = api.key("acme").await;
    let plain = encode_batch(&[event(&key, 1, "gpt-4o")]).unwrap();
    // Version 2, count, length, event with `requests` (4 bytes) and an empty object (2 bytes) at its end.
    let (head, whole) = plain.split_at(5);
    let wire = |version: u8, event: &[u8]| {
        let len = (event.len() as u16).to_be_bytes();
        [&[version], &head[1..3], &len, event].concat()
    };
    let oldest = wire(1, &whole[..whole.len() - 6]);
    let older = wire(2, &whole[..whole.len() - 2]);
    let newer = wire(2, &[whole, b"more"].concat());
    for (batch, counted) in [
        (oldest, "accepted"),
        (older, "duplicate"),
        (newer, "duplicate"),
    ] {
        let (status, body) = api.sync(PROXY, Method::POST, "/sync/v1/usage", batch).await;
        let done: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &done[counted]), (StatusCode::OK, &json!(1)));
    }
}
