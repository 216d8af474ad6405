//! A mock on a loopback port, and a client that sees frames, trailers and broken connections.

#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(
    unreachable_pub,
    reason = "shared by the test files as a module of each"
)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mock_llm::{Config, app, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running mock; it ends when dropped.
pub struct Mock {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer as the client received it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Whether the body broke off.
    pub broken: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The events' data as JSON; `[DONE]` is a string.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }

    /// The names of the events.
    pub fn names(&self) -> Vec<String> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("event: "))
            .map(str::to_owned)
            .collect()
    }
}

/// Starts a mock.
pub async fn start(config: Config) -> Mock {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Mock {
        address,
        task: tokio::spawn(serve(listener, app(config))),
    }
}

/// Starts a mock with the defaults.
pub async fn mock() -> Mock {
    start(Config::default()).await
}

/// A chat request with the text `hello there you` and more fields.
pub fn chat(more: &Value) -> Value {
    let mut body =
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there you"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A POST of JSON with an `x-mock` header.
pub fn post(path: &str, directives: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header("host", "mock")
        .header("content-type", "application/json")
        .header("x-mock", directives)
        .body(Body::from(body.to_string()))
        .unwrap()
}

impl Mock {
    /// Sends a request over HTTP/1.1. An error is a connection that ended without an answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, hyper::Error> {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let connection = tokio::spawn(connection);
        let answer = read(sender.send_request(request).await?).await;
        connection.abort();
        Ok(answer)
    }

    /// Sends a request over cleartext HTTP/2.
    pub async fn send_h2(&self, request: Request<Body>) -> Result<Answer, hyper::Error> {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        let connection = tokio::spawn(connection);
        let answer = read(sender.send_request(request).await?).await;
        connection.abort();
        Ok(answer)
    }

    /// A chat completion with directives.
    pub async fn chat(&self, directives: &str, more: Value) -> Answer {
        self.send(post("/v1/chat/completions", directives, &chat(&more)))
            .await
            .unwrap()
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(
            Request::get(path)
                .header("host", "mock")
                .body(Body::empty())
                .unwrap(),
        )
        .await
        .unwrap()
    }

    /// Writes `head` and `body` to a socket and reads until the mock closes it.
    pub async fn raw(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body).await.unwrap();
        let mut all = Vec::new();
        // A cut connection may end with a reset after the bytes.
        let _ = socket.read_to_end(&mut all).await;
        all
    }

    /// The captured requests.
    pub async fn requests(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/__mock/requests{query}"))
            .await
            .json()
            .as_array()
            .unwrap()
            .clone()
    }

    /// Polls the capture until its last request has `outcome`.
    pub async fn until_outcome(&self, query: &str, outcome: &str) -> Value {
        let poll = async {
            loop {
                if let Some(last) = self
                    .requests(query)
                    .await
                    .pop()
                    .filter(|last| last["outcome"] == outcome)
                {
                    return last;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), poll)
            .await
            .expect("the outcome never came")
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>) -> Answer {
    let (parts, mut incoming) = response.into_parts();
    let mut answer = Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: vec![],
        trailers: None,
        broken: false,
    };
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => answer.body.extend_from_slice(&data),
            Ok(Err(other)) => answer.trailers = other.into_trailers().ok(),
            Err(_) => {
                answer.broken = true;
                break;
            }
        }
    }
    answer
}
