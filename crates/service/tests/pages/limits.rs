//! The page of limits, and its events.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures::StreamExt;
use gmtech_core::ident::{KeyId, TeamId};
use gmtech_core::limiter::{Dimension, Level, Scope};
use gmtech_core::sync::Frame;
use gmtech_core::sync::levels::{KeyLevels, encode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::common::browser::Browser;
use crate::common::http::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// The events of an open page.
struct Events {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Events {
    async fn open(browser: &Browser<'_>, path: &str) -> Result<Self, StatusCode> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header("host", "gate.test")
            .header("accept", "text/event-stream")
            .header("cookie", browser.cookie.as_deref().unwrap_or_default())
            .body(Body::empty());
        let router = browser.api.admin.clone();
        let answer = router.oneshot(request.unwrap()).await.unwrap();
        match answer.status() {
            StatusCode::OK => Ok(Self {
                body: answer.into_body().into_data_stream(),
                text: String::new(),
            }),
            other => Err(other),
        }
    }

    /// The state of the next event; `None` when there will be no more.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let state = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = rest.to_owned();
                match state {
                    Some(state) => return Some(state),
                    None => continue,
                }
            }
            let more = timeout(PATIENCE, self.body.next()).await.unwrap()?;
            self.text
                .push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }
}

fn report(account: &str, team: &str, used: u64) -> Vec<u8> {
    let cell = Level {
        scope: Scope::Key,
        dimension: Dimension::Requests,
        limit: 60,
        used,
        reserved: 1,
        remaining: 0,
        reset_ms: Some(1_000),
    };
    encode(&[KeyLevels {
        account: KeyId::new(account).unwrap(),
        team: TeamId::new(team).unwrap(),
        cells: vec![cell],
    }])
    .unwrap()
}

async fn send(api: &Api, proxy: &str, report: Vec<u8>) {
    let path = format!("/sync/v1/levels?proxy={proxy}");
    let (status, _) = api.sync(PROXY, Method::POST, &path, report).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

/// The frame of a poll that is answered at once if there is news.
async fn polled(api: &Api, watch: u64) -> Frame {
    let head = api.frame("/sync/v1/changes").await;
    let path = format!(
        "/sync/v1/changes?epoch={}&since={}&wait=300&watch={watch}",
        head.epoch, head.to
    );
    api.frame(&path).await
}

#[tokio::test]
async fn proxies_report_while_a_page_is_open_and_not_otherwise() {
    let api = Api::new().await;
    let mut browser = Browser::member(&api, "acme", "ada@example.com", "viewer").await;
    let key = api
        .post("/admin/v1/keys", json!({"team": "acme", "name": "ci"}))
        .await;
    let id = text(&key, "id");
    let page = browser.get("/users/limits/?team=acme").await;
    assert!(page.body.contains("no traffic · limit 60"), "{}", page.body);
    assert!(polled(&api, 0).await.watch.teams.is_empty());

    let mut events = Events::open(&browser, "/users/limits/events?team=acme")
        .await
        .ok()
        .unwrap();
    let first = events.next().await.unwrap();
    assert_eq!(first["keys"][id]["levels"], json!({}));
    let watch = polled(&api, 0).await.watch;
    assert_eq!(watch.teams, [TeamId::new("acme").unwrap()]);

    send(&api, "envoy-1", report(id, "acme", 7)).await;
    send(&api, "envoy-2", report(id, "acme", 5)).await;
    send(&api, "envoy-2", report("key_other", "zeta", 5)).await;
    let told = loop {
        let state = events.next().await.unwrap();
        let told = state["keys"][id]["levels"]["requests_per_minute"].clone();
        if told["proxies"] == json!(2) {
            break told;
        }
    };
    assert_eq!(
        told,
        json!({"limit": 60, "used": 12, "reserved": 2, "proxies": 2})
    );

    drop(events);
    assert!(polled(&api, watch.version).await.watch.teams.is_empty());
}

#[tokio::test]
async fn only_members_of_the_team_may_follow_it_and_only_as_long_as_they_are() {
    let api = Api::new().await;
    api.key("zeta").await;
    let browser = Browser::member(&api, "acme", "ada@example.com", "developer").await;
    let refused = Events::open(&browser, "/users/limits/events?team=zeta").await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_FOUND));
    let nobody = Browser::new(&api);
    let refused = Events::open(&nobody, "/users/limits/events?team=acme").await;
    assert_eq!(refused.err(), Some(StatusCode::SEE_OTHER));

    let mut events = Events::open(&browser, "/users/limits/events?team=acme")
        .await
        .ok()
        .unwrap();
    assert!(events.next().await.is_some());
    let member = "/admin/v1/teams/acme/members/ada@example.com";
    let (status, _) = api.ask(ADMIN, Method::DELETE, member, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    while events.next().await.is_some() {}
}
