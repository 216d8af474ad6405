//! Clients that hang up in the middle of a change, and the two health checks.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use gmtech_service::config::Config;
use gmtech_service::serve::serve;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::common::Location;
use crate::common::http::*;

const CLIENTS: usize = 300;

/// Sends a request and hangs up without waiting for the answer, at a moment that differs from client to client.
fn hang_up(addr: SocketAddr, number: usize) {
    let body = json!({"id": format!("team-{number}"), "name": "hung up"}).to_string();
    let mut stream = TcpStream::connect(addr).unwrap();
    let head = format!(
        "POST /admin/v1/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let moment = Duration::from_micros((number as u64 % 40) * 100);
    // This is not a wait for something: the test varies the moment of the hang-up.
    std::thread::sleep(moment);
    // Close with a reset.
    drop(stream);
}

async fn teams(api: &Api) -> usize {
    let page = api.get("/admin/v1/teams?limit=500").await;
    page["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_stop_neither_their_change_nor_the_next_one() {
    let api = Api::new().await;
    let running = serve(&api.config).await.unwrap();
    let addr = running.admin_addr;
    let clients = tokio::task::spawn_blocking(move || {
        let threads: Vec<_> = (0..6)
            .map(|first| {
                std::thread::spawn(move || {
                    (first..CLIENTS).step_by(6).for_each(|n| hang_up(addr, n));
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    clients.await.unwrap();
    // The next write is made at once, and each request was carried out completely or not at all.
    let started = Instant::now();
    let write = api.post("/admin/v1/teams", json!({"id": "after", "name": "After"}));
    timeout(Duration::from_secs(10), write).await.unwrap();
    let made = teams(&api).await;
    assert!(made > 1, "none of {CLIENTS} requests got so far");
    running.stop().await;
    let audit = api.get("/admin/v1/audit?limit=500").await;
    let noted = audit["data"].as_array().unwrap().iter();
    let noted = noted
        .filter(|entry| entry["action"] == "team.create")
        .count();
    assert_eq!(teams(&api).await, noted, "after {:?}", started.elapsed());
}

async fn check(api: &Api, path: &str) -> (StatusCode, Value) {
    api.ask("", Method::GET, path, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_proves_a_write_and_healthz_only_that_the_process_answers() {
    let api = Api::new().await;
    let good = json!({"ready": true, "checks": [
        {"name": "serving", "ok": true, "why": null},
        {"name": "write", "ok": true, "why": null},
        {"name": "read", "ok": true, "why": null}]});
    assert_eq!(check(&api, "/readyz").await, (StatusCode::OK, good.clone()));
    let place = Location::File(api.dir.path().join("gmtech.db"));
    let mut other = place.connect().await;
    for statement in place.begin_writing() {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    // Once the last proven write is too old, the lock makes readyz fail.
    let (mut status, mut said) = check(&api, "/readyz").await;
    while status == StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (status, said) = check(&api, "/readyz").await;
    }
    let started = Instant::now();
    let (again, _) = check(&api, "/readyz").await;
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(
        (status, again),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::SERVICE_UNAVAILABLE
        )
    );
    assert_eq!(
        said["checks"][1],
        json!({"name": "write", "ok": false, "why": "the database did not answer in time"})
    );
    assert_eq!(
        said["checks"][2]["ok"], true,
        "readers do not wait for a writer"
    );
    assert_eq!(check(&api, "/healthz").await, (StatusCode::OK, Value::Null));
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    let ready = async {
        while check(&api, "/readyz").await.0 != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), ready).await.unwrap();
    assert_eq!(check(&api, "/readyz").await, (StatusCode::OK, good));
    for path in ["/readyz", "/healthz"] {
        let (status, _) = api.sync("", Method::GET, path, vec![]).await;
        assert_eq!(status, StatusCode::OK, "{path} of the proxies' listener");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_refuses_connections_and_checkpoints_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let token = |text| gmtech_service::secret::Token::parse(text).unwrap();
    let file = dir.path().join("gmtech.db");
    let mut config = Config::local(file.clone(), token(ADMIN), token(PROXY));
    config.admin_addr.set_port(0);
    config.sync_addr.set_port(0);
    let running = serve(&config).await.unwrap();
    let (admin, sync) = (running.admin_addr, running.sync_addr);
    let log = dir.path().join("gmtech.db-wal");
    assert!(TcpStream::connect(admin).is_ok() && log.exists());
    running.stop().await;
    for addr in [admin, sync] {
        assert!(TcpStream::connect(addr).is_err());
    }
    assert!(!log.exists(), "the file is the whole database");
}
