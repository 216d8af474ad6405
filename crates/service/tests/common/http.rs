//! A service without sockets, and helpers to call it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use gmtech_core::sync::Frame;
use gmtech_core::sync::versions::KEYS;
use gmtech_service::config::Config;
use gmtech_service::secret::Token;
use gmtech_service::service::Service;
use gmtech_service::{api, sync};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub const ADMIN: &str = "admin-token-for-tests";
pub const PROXY: &str = "proxy-token-for-tests";

pub struct Api {
    pub service: Arc<Service>,
    pub config: Config,
    pub admin: Router,
    pub sync: Router,
    pub dir: tempfile::TempDir,
}

impl Api {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = |text| Token::parse(text).unwrap();
        let mut config = Config::local(dir.path().join("gmtech.db"), token(ADMIN), token(PROXY));
        config.admin_addr.set_port(0);
        config.sync_addr.set_port(0);
        change(&mut config);
        Self::open(config, dir).await
    }

    pub async fn open(config: Config, dir: tempfile::TempDir) -> Self {
        let service = Service::open(&config).await.unwrap();
        let (admin, sync) = (api::app(service.clone()), sync::app(service.clone()));
        Self {
            service,
            config,
            admin,
            sync,
            dir,
        }
    }

    /// The same service after a restart.
    pub async fn restarted(self) -> Self {
        let Self { config, dir, .. } = self;
        Self::open(config, dir).await
    }

    pub async fn ask(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.ask_with(token, method, path, body, &[]).await
    }

    pub async fn ask_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let response = self.answer(token, method, path, body, headers).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let json = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        (status, json)
    }

    async fn answer(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.admin
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap()
    }

    /// The `x-request-id` of the management listener's answer.
    pub async fn request_id(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> String {
        let response = self.answer(token, method, path, body, headers).await;
        let id = response.headers().get("x-request-id").unwrap();
        id.to_str().unwrap().to_owned()
    }

    /// The text at `path` of the management listener, read without a token.
    pub async fn text(&self, path: &str) -> String {
        let response = self.answer("", Method::GET, path, None, &[]).await;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Calls as the administrator; must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, json) = self.ask(ADMIN, Method::POST, path, Some(body)).await;
        assert!(status.is_success(), "{path}: {status} {json}");
        json
    }

    /// Calls as the administrator; must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, json) = self.ask(ADMIN, Method::GET, path, None).await;
        assert!(status.is_success(), "{path}: {status} {json}");
        json
    }

    /// Reads as the administrator in another content type; must succeed.
    pub async fn read(&self, path: &str, accept: &str) -> (HeaderMap, String) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let response = self.admin.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(head.status, StatusCode::OK, "{path}: {body}");
        (head.headers, body)
    }

    /// Makes a team and a key of it; the key's text is in `key`.
    pub async fn key(&self, team: &str) -> Value {
        let _ = self
            .ask(
                ADMIN,
                Method::POST,
                "/admin/v1/teams",
                Some(json!({"id": team})),
            )
            .await;
        self.post("/admin/v1/keys", json!({"team": team, "name": "ci"}))
            .await
    }

    pub async fn sync(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap();
        let response = self.sync.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (
            status,
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
    }

    /// Calls as a proxy that reads the newest version of frames; the answer must be a frame.
    pub async fn frame(&self, path: &str) -> Frame {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = &format!("{path}{joint}{}", KEYS.parameter());
        let (status, bytes) = self.sync(PROXY, Method::GET, path, vec![]).await;
        assert_eq!(
            status,
            StatusCode::OK,
            "{path}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Frame::decode(&bytes).unwrap()
    }
}

pub fn text<'a>(json: &'a Value, field: &str) -> &'a str {
    json[field].as_str().unwrap()
}
