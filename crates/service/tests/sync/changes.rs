//! Snapshots, deltas, epochs, resolves and receipts.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use gmtech_core::key::ApiKey;
use gmtech_core::record::Status;
use gmtech_core::sync::{Frame, FrameKind};
use gmtech_service::clock::Millis;
use gmtech_service::service::Service;
use gmtech_service::store::By;
use serde_json::json;

use crate::Proxy;
use crate::common::http::*;

#[tokio::test]
async fn a_proxy_learns_everything_page_by_page_and_then_only_changes() {
    let api = Api::new().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(text(&api.key("acme").await, "id").to_owned());
    }
    let mut proxy = Proxy::default();
    assert_eq!(proxy.follow(&api, "&limit=3").await, 3);
    assert_eq!(proxy.keys.len(), 7);
    assert_eq!(proxy.exhausted.get("acme"), Some(&false));
    api.post(&format!("/admin/v1/keys/{}/revoke", made[3]), json!({}))
        .await;
    let frame = proxy.poll(&api, "").await;
    assert_eq!((frame.keys.len(), frame.teams.len()), (1, 0));
    assert_eq!(proxy.keys[&made[3]], Status::Revoked);
    let frame = proxy.poll(&api, "").await;
    assert!(frame.keys.is_empty() && frame.from == frame.to && !frame.more);
}

#[tokio::test]
async fn each_filter_gets_the_newest_version_that_it_reads_and_an_older_one_the_keys_that_it_can_bind()
 {
    let api = Api::new().await;
    let plain = api.key("acme").await;
    let new = json!({"team": "acme", "name": "bound", "endpoints": ["chat_completions"]});
    let bound = api.post("/admin/v1/keys", new).await;
    let digest = ApiKey::parse(text(&bound, "key").as_bytes())
        .unwrap()
        .digest();
    let resolve = format!("/sync/v1/resolve/{}", digest.to_hex());
    for path in ["/sync/v1/changes", &resolve] {
        for (asked, version) in [
            ("", 1),
            ("?keys=1", 1),
            ("?keys=2", 2),
            ("?keys=3", 3),
            ("?keys=4", 3),
        ] {
            let path = format!("{path}{asked}");
            let (_, bytes) = api.sync(PROXY, Method::GET, &path, vec![]).await;
            assert_eq!(bytes.first(), Some(&version), "{path}");
            let frame = Frame::decode(&bytes).unwrap();
            let records = frame
                .keys
                .iter()
                .map(|key| &key.state.as_ref().unwrap().record);
            let readable: Vec<_> = records.filter_map(|record| record.readable()).collect();
            let has = |made| readable.iter().any(|r| r.id.as_str() == text(made, "id"));
            assert_eq!(has(&bound), version >= 2, "{path}");
            assert_eq!(has(&plain), path.contains("changes"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_held_poll_is_answered_when_something_changes() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    let revoke = async {
        // The poll is held already or arrives right after. In both cases it must return the change.
        tokio::time::sleep(Duration::from_millis(50)).await;
        api.post(
            &format!("/admin/v1/keys/{}/revoke", text(&made, "id")),
            json!({}),
        )
        .await;
    };
    let poll = tokio::time::timeout(Duration::from_secs(5), proxy.poll(&api, "&wait=20000"));
    let (_, frame) = tokio::join!(revoke, poll);
    assert_eq!(
        frame
            .expect("answered long before its wait is over")
            .keys
            .len(),
        1
    );
}

#[tokio::test]
async fn a_held_poll_sees_what_another_process_changes() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    let other = Service::open(&api.config).await.unwrap();
    let by = By::service(Millis::now());
    let id = text(&made, "id").parse().unwrap();
    let suspend = other.store.set_status(&id, Status::Suspended, &by);
    let poll = tokio::time::timeout(Duration::from_secs(5), proxy.poll(&api, "&wait=20000"));
    let (frame, done) = tokio::join!(poll, suspend);
    done.unwrap();
    assert_eq!(
        frame
            .expect("answered long before its wait is over")
            .keys
            .len(),
        1
    );
}

#[tokio::test]
async fn a_failing_database_is_a_retryable_503_without_the_cause() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", api.dir.path().join("gmtech.db").display());
    let mut raw = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    sqlx::query("ALTER TABLE keys RENAME TO lost")
        .execute(&mut raw)
        .await
        .unwrap();
    let key = format!("/admin/v1/keys/{}", text(&made, "id"));
    let (status, json) = api.ask(ADMIN, Method::GET, &key, None).await;
    let error = &json["error"];
    assert_eq!(
        (status.as_u16(), text(error, "type"), text(error, "code")),
        (503, "server_error", "store_unavailable")
    );
    assert!(!json.to_string().contains("no such table"), "{json}");
    for path in [
        "/sync/v1/changes".to_owned(),
        format!("/sync/v1/resolve/{}", "ab".repeat(32)),
    ] {
        let (status, _) = api.sync(PROXY, Method::GET, &path, vec![]).await;
        assert_eq!(
            status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}: never an empty snapshot, never \"no such key\""
        );
    }
    sqlx::query("ALTER TABLE lost RENAME TO keys")
        .execute(&mut raw)
        .await
        .unwrap();
    assert_eq!(
        api.get(&key).await["id"],
        made["id"],
        "it works again by itself"
    );
}

#[tokio::test]
async fn a_new_key_resolves_and_an_unknown_one_is_reported_as_unknown() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let digest = ApiKey::parse(text(&made, "key").as_bytes())
        .unwrap()
        .digest();
    let frame = api
        .frame(&format!("/sync/v1/resolve/{}", digest.to_hex()))
        .await;
    assert_eq!(frame.kind, FrameKind::Resolved);
    assert_eq!(
        (frame.keys[0].digest, frame.keys[0].version),
        (digest, made["version"].as_u64().unwrap())
    );
    assert_eq!((frame.teams.len(), frame.teams[0].exhausted), (1, false));
    let frame = api
        .frame(&format!("/sync/v1/resolve/{}", "ab".repeat(32)))
        .await;
    assert_eq!((frame.keys.len(), &frame.keys[0].state), (1, &None));
    assert!(frame.keys[0].version > 0);
    let (status, _) = api
        .sync(PROXY, Method::GET, "/sync/v1/resolve/xyz", vec![])
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_the_proxies_token_opens_the_sync_listener() {
    let api = Api::new().await;
    for path in ["changes", "resolve/00", "nothing"] {
        let path = format!("/sync/v1/{path}");
        let (status, body) = api.sync(ADMIN, Method::GET, &path, vec![]).await;
        let expected = if path.ends_with("nothing") { 404 } else { 401 };
        assert_eq!(
            status.as_u16(),
            expected,
            "{path} {}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[tokio::test]
async fn a_proxy_of_another_epoch_or_from_the_future_starts_again() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    let epoch = proxy.epoch;
    proxy.epoch += 1;
    assert_eq!(proxy.poll(&api, "").await.kind, FrameKind::Snapshot);
    assert_eq!(proxy.epoch, epoch, "a foreign epoch does not change ours");
    proxy.version += 100;
    assert_eq!(proxy.poll(&api, "").await.kind, FrameKind::Snapshot);
    assert_ne!(proxy.epoch, epoch, "versions went back: another history");
    proxy.follow(&api, "").await;
    assert!(proxy.keys.contains_key(text(&made, "id")));
}

#[tokio::test]
async fn a_database_restored_from_an_older_backup_is_recognised_at_the_start() {
    let api = Api::new().await;
    let backup = api.dir.path().join("backup.db");
    let mut proxy = Proxy::default();
    let vacuum = format!("VACUUM INTO '{}'", backup.display());
    let url = format!("sqlite://{}", api.dir.path().join("gmtech.db").display());
    sqlx::any::install_default_drivers();
    let mut raw = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    sqlx::query(&vacuum).execute(&mut raw).await.unwrap();
    drop(raw);
    api.key("acme").await;
    proxy.follow(&api, "").await;
    let epoch = proxy.epoch;

    let api = api.restarted().await;
    proxy.follow(&api, "").await;
    assert_eq!(proxy.epoch, epoch, "a restart changes nothing");

    let Api {
        config,
        dir,
        service,
        ..
    } = api;
    drop(service);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("gmtech.db{end}")));
    }
    std::fs::copy(&backup, dir.path().join("gmtech.db")).unwrap();
    let api = Api::open(config, dir).await;
    assert_ne!(
        api.service.store.head().await.unwrap().epoch,
        epoch,
        "before any proxy has asked"
    );
    proxy.follow(&api, "").await;
    assert!(
        proxy.keys.is_empty(),
        "what the backup does not have is gone"
    );
}

#[tokio::test]
async fn a_poll_acknowledges_the_version_that_it_names() {
    let api = Api::new().await;
    let made = api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    proxy.poll(&api, "").await;
    let noted = async {
        loop {
            let list = api.get("/admin/v1/proxies").await;
            if list["data"][0]["current"] == json!(true) {
                break list;
            }
            tokio::task::yield_now().await;
        }
    };
    let list = tokio::time::timeout(Duration::from_secs(5), noted)
        .await
        .unwrap();
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["version"]),
        (&json!("envoy-1"), &made["version"])
    );
}

#[tokio::test]
async fn a_revocation_waits_for_every_live_proxy() {
    let api = Api::with(|config| config.live_window = Duration::from_secs(5)).await;
    let keys = [
        api.key("acme").await,
        api.key("acme").await,
        api.key("acme").await,
    ];
    let revoke =
        |n: usize, wait: u64| format!("/admin/v1/keys/{}/revoke?wait={wait}", text(&keys[n], "id"));
    let receipt = api.post(&revoke(0, 1000), json!({})).await;
    assert_eq!(
        (&receipt["receipt"]["live"], &receipt["receipt"]["complete"]),
        (&json!(0), &json!(true))
    );

    let head = api.service.store.head().await.unwrap();
    let say = |proxy: &str, version: u64| {
        let path = format!(
            "/sync/v1/receipts?proxy={proxy}&epoch={}&version={version}",
            head.epoch
        );
        async { api.sync(PROXY, Method::POST, &{ path }, vec![]).await.0 }
    };
    for proxy in ["envoy-1", "envoy-2"] {
        assert_eq!(say(proxy, head.version).await, StatusCode::NO_CONTENT);
    }
    let late = api.post(&revoke(1, 150), json!({})).await;
    let late = &late["receipt"];
    assert_eq!(
        (&late["live"], &late["applied"], &late["complete"]),
        (&json!(2), &json!(0), &json!(false))
    );
    assert_eq!(late["pending"], json!(["envoy-1", "envoy-2"]));
    assert!(late["took_ms"].as_u64().unwrap() >= 150);

    let both = async {
        let version = loop {
            let version = api.service.store.head().await.unwrap().version;
            if version > head.version + 1 {
                break version;
            }
            tokio::task::yield_now().await;
        };
        say("envoy-1", version).await;
        say("envoy-2", version).await;
    };
    let path = revoke(2, 10_000);
    let (done, ()) = tokio::join!(api.post(&path, json!({})), both);
    let done = &done["receipt"];
    assert_eq!(
        (&done["live"], &done["applied"], &done["complete"]),
        (&json!(2), &json!(2), &json!(true))
    );
    assert!(done["took_ms"].as_u64().unwrap() < 5_000);
    let proxies = api.get("/admin/v1/proxies").await;
    assert_eq!(proxies["data"][1]["id"], "envoy-2");
    assert_eq!(proxies["data"][1]["current"], json!(true));
}
