//! Received requests can be read back, and the sums state the true usage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use common::{chat, mock, post};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn requests_are_captured_as_they_came() {
    let mock = mock().await;
    let mut request = post(
        "/api/v1/chat/completions?a=%20b",
        "tag=t1",
        &chat(&json!({})),
    );
    request
        .headers_mut()
        .append("x-twice", "1".parse().unwrap());
    request
        .headers_mut()
        .append("x-twice", "2".parse().unwrap());
    request
        .headers_mut()
        .append("x-bytes", HeaderValue::from_bytes(b"\x80\xffok").unwrap());
    request
        .headers_mut()
        .append("x-request-id", "r-1".parse().unwrap());
    let answer = mock.send(request).await.unwrap();
    assert_eq!(answer.header("x-request-id"), "r-1");
    mock.send(post(
        "/v1/embeddings",
        "tag=t2",
        &json!({"model": "e", "input": "x"}),
    ))
    .await
    .unwrap();
    let all = mock.requests("").await;
    assert_eq!(all.len(), 2);
    for query in ["?tag=t1", "?x_request_id=r-1", "?x_request_id=r-1&tag=t1"] {
        assert_eq!(mock.requests(query).await, [all[0].clone()], "{query}");
    }
    assert_eq!(
        mock.requests("?x_request_id=r-1&tag=t2").await,
        Vec::<Value>::new()
    );
    assert_eq!(mock.get("/__mock/requests?tga=t1").await.status, 400);
    let seen = &all[0];
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["target"], "/api/v1/chat/completions?a=%20b");
    assert_eq!(
        (&seen["status"], &seen["outcome"], &seen["tag"]),
        (&json!(200), &json!("completed"), &json!("t1"))
    );
    let headers = seen["headers"].as_array().unwrap();
    for header in [
        ["x-twice", "1"],
        ["x-twice", "2"],
        ["x-bytes", "\u{80}\u{ff}ok"],
        ["x-mock", "tag=t1"],
    ] {
        assert!(headers.contains(&json!(header)), "{header:?}");
    }
    assert_eq!(headers[0], json!(["host", "mock"]));
}

#[tokio::test]
async fn bodies_are_kept_as_text_base64_or_digest() {
    let mock = mock().await;
    for (body, want) in [
        (b"{}".to_vec(), json!({"length": 2, "text": "{}"})),
        (b"\xff\xfe".to_vec(), json!({"length": 2, "base64": "//4="})),
        (
            vec![b'x'; 65536],
            json!({"length": 65536, "text": "x".repeat(65536)}),
        ),
        (vec![b'x'; 65537], json!({"length": 65537})),
    ] {
        mock.send(
            Request::post("/v1/chat/completions")
                .body(Body::from(body.clone()))
                .unwrap(),
        )
        .await
        .unwrap();
        let mut seen = mock.requests("").await.pop().unwrap()["body"].clone();
        let sha256 = seen.as_object_mut().unwrap().remove("sha256").unwrap();
        assert_eq!(seen, want);
        assert_eq!(
            sha256,
            hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&body))
        );
    }
}

#[tokio::test]
async fn a_client_that_disconnects_is_recorded_before_and_within_the_answer() {
    let mock = mock().await;
    // The client leaves once it has seen `until`; the mock would go on for ten minutes.
    for (tag, directives, until, events) in [
        ("before", "delay_ms=600000", "", 0),
        ("within", "event_delay_ms=600000", "data: ", 1),
    ] {
        let body = chat(&json!({"stream": true})).to_string();
        let mut socket = TcpStream::connect(mock.address).await.unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nx-mock: {directives}; tag={tag}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        let query = format!("?tag={tag}");
        mock.until_outcome(&query, "open").await;
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(until) {
            assert_ne!(socket.read_buf(&mut seen).await.unwrap(), 0);
        }
        drop(socket);
        let seen = mock.until_outcome(&query, "disconnected").await;
        assert_eq!(
            (&seen["client_disconnected"], &seen["events_sent"]),
            (&json!(true), &json!(events))
        );
    }
}

#[tokio::test]
async fn usage_is_summed_by_key_and_by_outcome() {
    let mock = mock().await;
    let send = async |key: Option<&str>, directives: &str, stream: bool| {
        let mut request = post(
            "/v1/chat/completions",
            directives,
            &chat(&json!({"stream": stream})),
        );
        if let Some(key) = key {
            request
                .headers_mut()
                .insert("x-gmtech-key-id", key.parse().unwrap());
        }
        mock.send(request).await.unwrap();
    };
    // Each costs 8 for its prompt. The usage that an answer states does not change the sums.
    send(Some("key_a"), "", false).await; // 3 words
    send(
        Some("key_a"),
        "usage_prompt=1; usage_completion=1; output_tokens=10",
        true,
    )
    .await; // 10 words
    send(Some("key_a"), "cut_after_events=2", true).await; // the role and 1 word
    send(Some("key_b"), "status=500", false).await;
    send(None, "no_usage", true).await; // 3 words
    let sum = |requests: u64, prompt: u64, completion: u64| {
        json!({
            "requests": requests, "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion,
        })
    };
    let sums = |completed: Value, cut: Value, failed: Value| json!({"completed": completed, "cut": cut, "failed": failed});
    let none = || sum(0, 0, 0);
    let want = json!({
        "overall": sums(sum(3, 24, 16), sum(1, 8, 1), sum(1, 0, 0)),
        "keys": {
            "key_a": sums(sum(2, 16, 13), sum(1, 8, 1), none()),
            "key_b": sums(none(), none(), sum(1, 0, 0)),
            "(none)": sums(sum(1, 8, 3), none(), none()),
        },
    });
    assert_eq!(mock.get("/__mock/usage").await.json(), want);
    let clear = Request::delete("/__mock/requests")
        .header("host", "m")
        .body(Body::empty())
        .unwrap();
    assert_eq!(mock.send(clear).await.unwrap().status, 204);
    assert_eq!(
        mock.get("/__mock/usage").await.json(),
        json!({"overall": sums(none(), none(), none()), "keys": {}})
    );
    assert_eq!(mock.requests("").await, Vec::<Value>::new());
}

/// Sends a GET without reading the answer.
fn ask(address: &str, path: &str) -> std::net::TcpStream {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n");
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    socket
}

#[test]
fn the_program_prints_its_port_first_and_ends_at_once_on_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mock-llm"))
            .args([
                "--models",
                "a,b",
                "--name",
                "blue",
                "--directives",
                "delay_ms=600000",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("listening on ").unwrap();
        // A request that hangs must not delay the end.
        let mut hanging = ask(address, "/v1/models");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let mut requests = String::new();
        while !requests.contains("\"open\"") {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the request never came"
            );
            requests.clear();
            ask(address, "/__mock/requests")
                .read_to_string(&mut requests)
                .unwrap();
        }
        kill_process(Pid::from_child(&program), signal).unwrap();
        // The connection closes because the program ends, long before the delay is over.
        let mut rest = Vec::new();
        let _ = hanging.read_to_end(&mut rest);
        assert_eq!(rest, b"");
        assert_eq!(program.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn the_program_refuses_unknown_directives() {
    let output = Command::new(env!("CARGO_BIN_EXE_mock-llm"))
        .args(["--directives", "slow"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("x-mock: unknown directive 'slow'"));
}
