//! A database that has gone back to an older state, in every way: it is recognised, and the lost changes are listed.

use std::path::Path;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use gmtech_core::record::Status;
use gmtech_core::sync::FrameKind;
use gmtech_service::config::Database;
use gmtech_service::db;
use gmtech_service::service::Service;
use serde_json::{Value, json};

use crate::Proxy;
use crate::common::http::*;

/// Waits until the journal beside the database has this text.
async fn journal_has(api: &Api, text: &str) {
    let path = api.config.journal.clone().unwrap();
    let written = async {
        while !std::fs::read_to_string(&path).is_ok_and(|all| all.contains(text)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written)
        .await
        .unwrap_or_else(|_| panic!("{text} is not in the journal"));
}

fn file(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join(format!("gmtech.db{name}"))
}

async fn revoke(api: &Api, key: &Value) {
    api.post(
        &format!("/admin/v1/keys/{}/revoke", text(key, "id")),
        json!({}),
    )
    .await;
}

async fn lost(api: &Api) -> Vec<(String, String)> {
    let list = api.get("/admin/v1/restored").await;
    let name = |row: &Value| {
        (
            text(row, "action").to_owned(),
            text(row, "subject").to_owned(),
        )
    };
    list["data"].as_array().unwrap().iter().map(name).collect()
}

/// Stops the service in the orderly way.
async fn stopped(api: Api) -> (gmtech_service::config::Config, tempfile::TempDir) {
    let Api {
        config,
        dir,
        service,
        admin,
        sync,
    } = api;
    service.store.close().await.unwrap();
    drop((service, admin, sync));
    // A receipt under way holds it for a moment longer, and so do connections that are being closed.
    let free = async {
        while file(dir.path(), "-wal").exists() || db::Lock::alone(&file(dir.path(), "")).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free)
        .await
        .unwrap();
    (config, dir)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Command,
    /// Copies the file, after removing the logs of the file that it replaces.
    Copy,
}

#[tokio::test]
async fn changes_lost_by_a_restore_are_listed_until_acknowledged() {
    for way in [Way::Command, Way::Copy] {
        let api = Api::new().await;
        let (kept, ended) = (api.key("acme").await, api.key("acme").await);
        revoke(&api, &api.key("acme").await).await;
        let backup = api.dir.path().join("backup.db");
        let database = Database::Sqlite(file(api.dir.path(), ""));
        db::backup(&database, &backup).await.unwrap();

        revoke(&api, &ended).await;
        let credit = json!({"amount_usd": "25.50"});
        api.post("/admin/v1/teams/acme/credit", credit).await;
        let made = api.key("acme").await;
        journal_has(&api, text(&made, "id")).await;
        let mut proxy = Proxy::default();
        proxy.follow(&api, "").await;
        assert_eq!(proxy.keys[text(&ended, "id")], Status::Revoked);
        let epoch = proxy.epoch;
        let used = db::restore(&database, &backup, None).await;
        assert!(matches!(&used, Err(db::DbError::Refused(why)) if why.contains("stop it first")));

        let (config, dir) = stopped(api).await;
        match way {
            Way::Command => {
                let done = db::restore(&database, &backup, config.journal.as_deref())
                    .await
                    .unwrap();
                assert_eq!((done.lost.len(), done.all), (3, true), "{done:?}");
                let fix = format!("gmtech keys revoke {}", text(&ended, "id"));
                assert!(done.lost[0].ends_with(&fix), "{}", done.lost[0]);
                assert!(
                    done.lost[1].ends_with("gmtech teams top-up acme 25.50"),
                    "{}",
                    done.lost[1]
                );
            }
            Way::Copy => {
                for end in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(file(dir.path(), end));
                }
                std::fs::copy(&backup, file(dir.path(), "")).unwrap();
            }
        }

        let api = Api::open(config, dir).await;
        let name = |key: &Value| text(key, "id").to_owned();
        let expected = [
            ("key.revoke".to_owned(), name(&ended)),
            ("team.credit".to_owned(), "acme".to_owned()),
            ("key.create".to_owned(), name(&made)),
        ];
        assert_eq!(lost(&api).await, expected, "{way:?}");
        let audit = api.get("/admin/v1/audit?subject=sync").await;
        assert_eq!(audit["data"][0]["detail"]["lost"], 3);
        assert_eq!(proxy.poll(&api, "").await.kind, FrameKind::Snapshot);
        assert_ne!(proxy.epoch, epoch);
        proxy.follow(&api, "").await;
        assert_eq!(proxy.keys[text(&ended, "id")], Status::Active);
        assert!(
            proxy.keys.contains_key(text(&kept, "id"))
                && !proxy.keys.contains_key(text(&made, "id"))
        );

        // A restart reports it again, and starts no new epoch.
        let epoch = proxy.epoch;
        let (config, dir) = stopped(api).await;
        let api = Api::open(config, dir).await;
        assert_eq!(lost(&api).await, expected);
        proxy.follow(&api, "").await;
        assert_eq!(proxy.epoch, epoch);

        let reader = api
            .post("/admin/v1/tokens", json!({"name": "r", "role": "reader"}))
            .await;
        for method in [Method::GET, Method::DELETE] {
            let (status, _) = api
                .ask(text(&reader, "token"), method, "/admin/v1/restored", None)
                .await;
            assert_eq!(status, StatusCode::FORBIDDEN);
        }
        let (status, _) = api
            .ask(ADMIN, Method::DELETE, "/admin/v1/restored", None)
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert!(lost(&api).await.is_empty());
        let audit = api.get("/admin/v1/audit?subject=restored").await;
        assert_eq!(audit["data"][0]["detail"]["changes"], 3);
    }
}

#[tokio::test]
async fn an_older_copy_beside_the_write_ahead_log_of_the_newer_file_is_refused() {
    let api = Api::new().await;
    api.key("acme").await;
    journal_has(&api, "\"kept\":").await;
    let (config, dir) = stopped(api).await;
    let older = dir.path().join("older.db");
    std::fs::copy(file(dir.path(), ""), &older).unwrap();

    let api = Api::open(config, dir).await;
    let made = api.key("acme").await;
    journal_has(&api, text(&made, "id")).await;
    let noted = async {
        let kept = || {
            let journal = std::fs::read_to_string(api.config.journal.clone().unwrap()).unwrap();
            journal.matches("\"kept\":").count()
        };
        while kept() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noted)
        .await
        .unwrap();
    // A crash leaves the file, and a write-ahead log with changes that are not in the file yet.
    let crashed = tempfile::tempdir().unwrap();
    for end in ["", "-wal", ".served"] {
        std::fs::copy(file(api.dir.path(), end), file(crashed.path(), end)).unwrap();
    }
    assert!(
        std::fs::metadata(file(crashed.path(), "-wal"))
            .unwrap()
            .len()
            > 32
    );
    let mut config = api.config.clone();
    config.database = Database::Sqlite(file(crashed.path(), ""));
    config.journal = Some(file(crashed.path(), ".served"));

    let own = std::fs::read(file(crashed.path(), "")).unwrap();
    std::fs::copy(&older, file(crashed.path(), "")).unwrap();
    let refused = Service::open(&config).await.err().unwrap().to_string();
    assert!(
        refused.contains("remove") && refused.contains("gmtech.db-wal"),
        "{refused}"
    );
    assert!(!refused.contains('\n'));

    std::fs::write(file(crashed.path(), ""), own).unwrap();
    let service = Service::open(&config).await.unwrap();
    let id = text(&made, "id").parse().unwrap();
    assert!(
        service.store.key(&id).await.is_ok(),
        "what a crash leaves is repaired"
    );
    service.store.close().await.unwrap();
    drop(service);

    // Without the write-ahead log the copy is served, and the lost changes are listed.
    std::fs::copy(&older, file(crashed.path(), "")).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(file(crashed.path(), end));
    }
    let api = Api::open(config, crashed).await;
    assert_eq!(
        lost(&api).await,
        [("key.create".to_owned(), text(&made, "id").to_owned())]
    );
}

#[tokio::test]
async fn a_proxys_newer_version_shows_that_the_database_went_back() {
    let api = Api::with(|config| config.journal = None).await;
    api.key("acme").await;
    let mut proxy = Proxy::default();
    proxy.follow(&api, "").await;
    let (epoch, version) = (proxy.epoch, proxy.version);
    let frame = proxy.poll(&api, &format!("&seen={version}")).await;
    assert_eq!((frame.kind, frame.epoch), (FrameKind::Delta, epoch));
    // A version of another epoch proves nothing.
    let frame = api
        .frame(&format!(
            "/sync/v1/changes?epoch={}&since=1&seen=999",
            epoch + 1
        ))
        .await;
    assert_eq!(frame.epoch, epoch);
    let mut other = Proxy {
        epoch,
        version,
        ..Proxy::default()
    };
    let seen = format!("&seen={}", version + 1);
    let (first, second) = tokio::join!(proxy.poll(&api, &seen), other.poll(&api, &seen));
    assert_eq!(
        (first.kind, second.kind),
        (FrameKind::Snapshot, FrameKind::Snapshot)
    );
    assert_ne!(first.epoch, epoch);
    assert_eq!(
        first.epoch, second.epoch,
        "one of two that say so starts it"
    );
}
