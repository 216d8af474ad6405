//! Alerts posted to a real receiver, which verifies them with an implementation of its own and does what it should not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gmtech_core::address::AddressSet;
use gmtech_service::clock::Millis;
use gmtech_service::config::Config;
use gmtech_service::serve::{Running, serve};
use gmtech_service::store::{NewKey, Store};
use gmtech_service::{api, sync};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::common::http::*;
use crate::common::{IngestOne, NOON, by, event, new_key_of, team};

const ADDRESSES: &str = "/admin/v1/teams/acme/alert-addresses";

/// What a receiver does with a request.
#[derive(Clone, Debug)]
enum Does {
    Answers(u16),
    Redirects(String),
    Hangs,
    Closes,
}

/// A request as it came.
#[derive(Clone, Debug)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().unwrap().1
    }

    /// Whether one of its signatures is by this secret: RFC 2104, written out.
    fn is_signed_by(&self, secret: &str) -> bool {
        let mut key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        key.resize(64, 0);
        let hash = |pad: u8, text: &[u8]| {
            let begin: Vec<u8> = key.iter().map(|byte| byte ^ pad).collect();
            Sha256::digest([&begin, text].concat())
        };
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let inner = hash(0x36, format!("{id}.{at}.{}", self.body).as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(hash(0x5c, &inner)));
        let age = Millis::now().unix_seconds().abs_diff(at.parse().unwrap());
        age < 60
            && self
                .header("webhook-signature")
                .split(' ')
                .any(|one| one == signature)
    }
}

/// A receiver that does one thing after the other, and answers 200 from then on.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    async fn new(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let (seen, does) = (got.clone(), Arc::new(Mutex::new(VecDeque::from(does))));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (seen, does) = (seen.clone(), does.clone());
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let request = loop {
                        let mut part = [0; 4_096];
                        let n = stream.read(&mut part).await.unwrap();
                        bytes.extend_from_slice(&part[..n]);
                        let text = String::from_utf8(bytes.clone()).unwrap();
                        let Some((head, body)) = text.split_once("\r\n\r\n") else {
                            continue;
                        };
                        let got = Got {
                            head: head.into(),
                            body: body.into(),
                        };
                        if body.len() == got.header("content-length").parse::<usize>().unwrap() {
                            break got;
                        }
                    };
                    seen.lock().unwrap().push(request);
                    let next = does.lock().unwrap().pop_front();
                    let answer = match next.unwrap_or(Does::Answers(200)) {
                        Does::Answers(status) => {
                            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")
                        }
                        Does::Redirects(to) => {
                            format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
                        }
                        Does::Hangs => {
                            sleep(Duration::from_secs(60)).await;
                            return;
                        }
                        Does::Closes => return,
                    };
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A service that posts alerts, with quick retries.
async fn start(change: impl FnOnce(&mut Config)) -> (Api, Running) {
    let Api {
        mut config,
        dir,
        service,
        ..
    } = Api::new().await;
    service.store.close().await.unwrap();
    drop(service);
    let loopback = vec!["127.0.0.0/8".parse().unwrap()];
    config.webhook.networks = Some(AddressSet::new(loopback).unwrap());
    config.webhook.timeout = Duration::from_millis(500);
    config.webhook.pauses = vec![Duration::from_millis(50); 6];
    change(&mut config);
    let running = serve(&config).await.unwrap();
    let service = running.service().clone();
    let (admin, sync) = (api::app(service.clone()), sync::app(service.clone()));
    let api = Api {
        service,
        config,
        admin,
        sync,
        dir,
    };
    api.post("/admin/v1/teams", json!({"id": "acme"})).await;
    (api, running)
}

async fn add(api: &Api, url: &str) -> Value {
    api.post(ADDRESSES, json!({"url": url})).await
}

/// Uses half of a new key's budget.
async fn spend(store: &Store) {
    let now = Millis::now();
    let new = NewKey {
        budgets: serde_json::from_value(json!({"total_nano_usd": 100})).unwrap(),
        ..new_key_of(team("acme").as_str())
    };
    let key = store.create_key(new, None, &by(NOON)).await.unwrap().key;
    store
        .ingest(&[event(&key, now.0 as u64, 60)], now)
        .await
        .unwrap();
}

async fn deliveries(api: &Api) -> Vec<Value> {
    let answer = api.get("/admin/v1/teams/acme/alert-deliveries").await;
    answer["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_the_same_signed_post_comes_until_it_is_taken() {
    let (api, running) = start(|_| {}).await;
    let elsewhere = Receiver::new(vec![]).await;
    let receiver = Receiver::new(vec![
        Does::Answers(500),
        Does::Hangs,
        Does::Closes,
        Does::Redirects(elsewhere.url.clone()),
        Does::Redirects("http://169.254.169.254/latest/meta-data".into()),
        Does::Answers(429),
    ])
    .await;
    let added = add(&api, &receiver.url).await;
    spend(&api.service.store).await;
    let delivered = until("the delivery", async || {
        let found = deliveries(&api).await;
        found.into_iter().find(|one| one["status"] == "delivered")
    })
    .await;
    assert_eq!(delivered["attempts"], 7);
    assert_eq!(delivered["answered"], 200);
    let got = receiver.got();
    assert_eq!(got.len(), 7);
    for one in &got {
        assert!(one.head.starts_with("POST /hook HTTP/1.1"), "{}", one.head);
        assert!(one.is_signed_by(text(&added, "secret")), "{one:?}");
        assert!(!one.is_signed_by("whsec_c29tZSBvdGhlcg=="));
        assert_eq!(one.header("webhook-id"), delivered["alert"]);
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.body, got[0].body, "byte for byte");
    }
    let payload: Value = serde_json::from_str(&got[0].body).unwrap();
    assert_eq!(payload["type"], "key.budget");
    assert_eq!(payload["data"]["percent"], 50);
    assert_eq!(payload["data"]["team"], "acme");
    assert!(elsewhere.got().is_empty(), "no redirect is followed");
    let metrics = api.text("/metrics").await;
    for line in [
        "gmtech_service_alert_attempts_total{result=\"again\"} 6",
        "gmtech_service_alert_attempts_total{result=\"delivered\"} 1",
        "gmtech_service_alert_deliveries_waiting 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_takes_it_is_given_up_and_410_turns_the_address_off() {
    let (api, running) = start(|config| config.webhook.pauses.truncate(1)).await;
    let broken = Receiver::new(vec![Does::Answers(503); 9]).await;
    let gone = Receiver::new(vec![Does::Answers(410)]).await;
    add(&api, &broken.url).await;
    add(&api, &gone.url).await;
    spend(&api.service.store).await;
    let found = until("both to be given up", async || {
        let found = deliveries(&api).await;
        found
            .iter()
            .all(|one| one["status"] == "failed")
            .then_some(found)
    })
    .await;
    let told = |answered: i64| {
        let mut found = found.iter().filter(|one| one["answered"] == answered);
        found.next().unwrap().clone()
    };
    assert_eq!(
        (&told(503)["attempts"], &told(410)["attempts"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(told(503)["problem"], "answered 503 Service Unavailable");
    let addresses = api.get(ADDRESSES).await;
    let off: Vec<&Value> = addresses["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|a| a["enabled"] == false)
        .collect();
    assert_eq!(off.len(), 1);
    assert_eq!(
        (&off[0]["url"], &off[0]["disabled_by"]),
        (&json!(gone.url), &json!("receiver"))
    );
    spend(&api.service.store).await;
    until("the next alert", async || {
        (broken.got().len() > 2).then_some(())
    })
    .await;
    assert_eq!(gone.got().len(), 1, "it is off");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_posted_once_and_two_secrets_sign_after_a_rotation() {
    let (api, running) = start(|_| {}).await;
    let receiver = Receiver::new(vec![Does::Answers(200), Does::Answers(500)]).await;
    let added = add(&api, &receiver.url).await;
    let address = format!("{ADDRESSES}/{}", text(&added, "id"));
    let test = format!("{address}/test");
    let done = api.post(&test, json!({})).await;
    assert_eq!(
        (&done["delivered"], &done["answered"]),
        (&json!(true), &json!(200))
    );
    let failed = api.post(&test, json!({})).await;
    assert_eq!(
        (&failed["delivered"], &failed["answered"]),
        (&json!(false), &json!(500))
    );
    let rotated = api
        .post(&format!("{address}/rotate-secret"), json!({}))
        .await;
    api.post(&test, json!({})).await;
    let got = receiver.got();
    assert_eq!(got.len(), 3, "no test is repeated");
    let secrets = [text(&added, "secret"), text(&rotated, "secret")];
    assert_eq!(secrets.map(|s| got[0].is_signed_by(s)), [true, false]);
    assert_eq!(secrets.map(|s| got[2].is_signed_by(s)), [true, true]);
    let listed = api.get(ADDRESSES).await.to_string();
    assert!(!listed.contains("whsec_"), "{listed}");
    let audit = api.get("/admin/v1/audit").await.to_string();
    assert!(
        !audit.contains("whsec_") && !audit.contains("/hook"),
        "{audit}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_into_a_private_network_is_refused_when_it_is_resolved() {
    let (api, running) = start(|config| config.webhook.networks = None).await;
    let receiver = Receiver::new(vec![]).await;
    let port = receiver.url.split(':').nth(2).unwrap().replace("/hook", "");
    let (status, _) = api
        .ask(
            ADMIN,
            Method::POST,
            ADDRESSES,
            Some(json!({"url": receiver.url})),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // As a name it can lead anywhere, and somewhere else the next time.
    let added = add(&api, &format!("https://localhost:{port}/hook")).await;
    let test = format!("{ADDRESSES}/{}/test", text(&added, "id"));
    let done = api.post(&test, json!({})).await;
    assert_eq!(done["delivered"], false);
    let problem = text(&done, "problem");
    assert!(
        problem.contains("must be on the public Internet"),
        "{problem}"
    );
    running.stop().await;
}

#[tokio::test]
async fn only_who_may_change_the_team_sees_and_changes_its_addresses() {
    let api = Api::new().await;
    for id in ["acme", "umbrella"] {
        api.post("/admin/v1/teams", json!({"id": id})).await;
    }
    let added = add(&api, "https://hooks.example.com/gmtech").await;
    let mut tokens = Vec::new();
    for (role, of) in [
        ("reader", None),
        ("team_admin", Some("umbrella")),
        ("team_admin", Some("acme")),
    ] {
        let asked = json!({"name": role, "role": role, "team": of});
        let made = api.post("/admin/v1/tokens", asked).await;
        tokens.push(text(&made, "token").to_owned());
    }
    let address = format!("{ADDRESSES}/{}", text(&added, "id"));
    let off = json!({"enabled": false});
    for (method, path, body) in [
        (Method::GET, ADDRESSES.to_owned(), None),
        (
            Method::GET,
            "/admin/v1/teams/acme/alert-deliveries".into(),
            None,
        ),
        (
            Method::POST,
            ADDRESSES.into(),
            Some(json!({"url": "https://other.example.com/"})),
        ),
        (Method::PATCH, address.clone(), Some(off)),
        (Method::POST, format!("{address}/rotate-secret"), None),
        (Method::DELETE, address.clone(), None),
    ] {
        let mut statuses = Vec::new();
        for token in &tokens {
            let (status, _) = api.ask(token, method.clone(), &path, body.clone()).await;
            statuses.push(status.as_u16());
        }
        assert_eq!(statuses[..2], [403, 404], "{method} {path}");
        assert!(
            (200..300).contains(&statuses[2]),
            "{method} {path}: {}",
            statuses[2]
        );
    }
    let (status, list) = api
        .ask(&tokens[0], Method::GET, "/admin/v1/teams/acme/alerts", None)
        .await;
    assert_eq!(
        (status, &list["data"]),
        (StatusCode::OK, &json!([])),
        "alerts are for readers too"
    );
}

#[tokio::test]
async fn mistakes_name_their_field_and_say_what_is_right() {
    let api = Api::new().await;
    api.post("/admin/v1/teams", json!({"id": "acme"})).await;
    let url = "https://hooks.example.com/gmtech";
    for (asked, field, says) in [
        (
            json!({"url": "hooks.example.com"}),
            "url",
            "https://hooks.example.com/gmtech",
        ),
        (
            json!({"url": "http://hooks.example.com/"}),
            "url",
            "--alert-http",
        ),
        (
            json!({"url": "https://10.0.0.1/"}),
            "url",
            "--alert-networks",
        ),
        (
            json!({"url": "https://a:b@hooks.example.com/"}),
            "url",
            "password",
        ),
        (json!({"url": url, "name": ""}), "name", "1 to 100"),
    ] {
        let (status, answer) = api.ask(ADMIN, Method::POST, ADDRESSES, Some(asked)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer["error"]["param"], field);
        assert!(text(&answer["error"], "message").contains(says), "{answer}");
    }
    for n in 0..10 {
        add(&api, &format!("{url}{n}")).await;
    }
    for more in [format!("{url}0"), url.into()] {
        let (status, answer) = api
            .ask(ADMIN, Method::POST, ADDRESSES, Some(json!({"url": more})))
            .await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    }
    let unknown = format!("{ADDRESSES}/address_none/test");
    let (status, _) = api.ask(ADMIN, Method::POST, &unknown, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
