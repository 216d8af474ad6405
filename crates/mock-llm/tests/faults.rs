//! Errors, delays and broken connections happen where the directives say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use common::{chat, mock, post};
use http_body_util::BodyExt;
use mock_llm::{Config, app};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

fn streamed() -> Value {
    json!({"stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn statuses_are_answered_in_each_apis_shape() {
    let mock = mock().await;
    for (directives, status, kind, code) in [
        ("status=400", 400, "invalid_request_error", Value::Null),
        (
            "status=401",
            401,
            "invalid_request_error",
            json!("invalid_api_key"),
        ),
        ("status=429", 429, "requests", json!("rate_limit_exceeded")),
        ("status=500", 500, "server_error", Value::Null),
        ("status=503", 503, "server_error", json!("overloaded")),
    ] {
        let answer = mock.chat(directives, json!({})).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["type"], &error["code"]),
            (status, &json!(kind), &code),
            "{directives}"
        );
    }
    assert_eq!(mock.chat("status=201", json!({})).await.status, 201);
    let body = json!({});
    let anthropic = mock
        .send(post("/v1/messages", "status=529", &body))
        .await
        .unwrap();
    assert_eq!(
        (anthropic.status, &anthropic.json()["error"]["type"]),
        (529, &json!("overloaded_error"))
    );
    let gemini = mock
        .send(post(
            "/v1beta/models/g:generateContent",
            "status=429",
            &body,
        ))
        .await
        .unwrap();
    assert_eq!(
        (gemini.status, &gemini.json()["error"]["status"]),
        (429, &json!("RESOURCE_EXHAUSTED"))
    );
    let slow = mock
        .chat("status=429; retry_after=7; retry_after_ms=6900", json!({}))
        .await;
    assert_eq!(
        (slow.header("retry-after"), slow.header("retry-after-ms")),
        ("7", "6900")
    );
}

#[tokio::test]
async fn attempts_fail_as_often_as_asked() {
    let mock = mock().await;
    for (directives, statuses) in [
        ("fail_times=2", [500, 500, 200, 500]),
        ("fail_times=1; status=429; tag=a", [429, 200, 429, 200]),
        ("fail_times=1; status=429; tag=b", [429, 200, 429, 200]),
        ("fail_times=0; status=503", [200, 200, 200, 200]),
    ] {
        for (i, status) in statuses.into_iter().enumerate() {
            assert_eq!(
                mock.chat(directives, json!({})).await.status,
                status,
                "{directives}: attempt {i}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_repeated_at_its_target() {
    let mock = mock().await;
    for (directives, path, status, location) in [
        (
            "redirect=/api/v1/chat/completions",
            "/v1/chat/completions",
            302,
            "/api/v1/chat/completions",
        ),
        (
            "redirect=/api/v1/chat/completions",
            "/api/v1/chat/completions",
            200,
            "",
        ),
        (
            "redirect=http://other/v1/completions; status=307",
            "/v1/chat/completions",
            307,
            "http://other/v1/completions",
        ),
    ] {
        let answer = mock
            .send(post(path, directives, &chat(&json!({}))))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("location")),
            (status, location),
            "{directives} {path}"
        );
    }
}

#[tokio::test]
async fn stream_options_can_be_refused() {
    let mock = mock().await;
    for (more, status) in [(streamed(), 422), (json!({"stream": true}), 200)] {
        assert_eq!(
            mock.chat("refuse_stream_options", more).await.status,
            status
        );
    }
}

#[tokio::test]
async fn answer_as_overrides_the_requests_stream_field() {
    let mock = mock().await;
    for (directives, stream, kind, starts) in [
        (
            "answer_as=sse",
            false,
            "text/event-stream; charset=utf-8",
            "data: {",
        ),
        ("answer_as=json", true, "application/json", "{\"choices\""),
        (
            "content_type=text/plain",
            false,
            "text/plain",
            "{\"choices\"",
        ),
        (
            "content_type=application/json",
            true,
            "application/json",
            "data: {",
        ),
    ] {
        let answer = mock.chat(directives, json!({"stream": stream})).await;
        assert_eq!(answer.header("content-type"), kind, "{directives}");
        assert!(
            answer.text().starts_with(starts),
            "{directives}: {}",
            answer.text()
        );
    }
}

/// The times at which the answer's head and each frame arrived. Only sleeping advances this clock.
async fn times(directives: &str, stream: bool) -> Vec<u64> {
    let begin = Instant::now();
    let now = || u64::try_from(begin.elapsed().as_millis()).unwrap();
    let request = post(
        "/v1/chat/completions",
        directives,
        &chat(&json!({"stream": stream, "max_tokens": 1})),
    );
    let response = app(Config::default()).oneshot(request).await.unwrap();
    let mut times = vec![now()];
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        times.push(now());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn delays_happen_where_directed() {
    // Head, then frames: role, word, finish, [DONE]; or the document.
    for (directives, stream, when) in [
        ("", true, vec![0, 0, 0, 0, 0]),
        ("delay_ms=100", true, vec![100, 100, 100, 100, 100]),
        ("first_event_ms=70", true, vec![0, 70, 70, 70, 70]),
        ("event_delay_ms=10", true, vec![0, 0, 10, 20, 30]),
        (
            "delay_ms=100; first_event_ms=70; event_delay_ms=10",
            true,
            vec![100, 170, 180, 190, 200],
        ),
        ("delay_ms=100; first_event_ms=70", false, vec![100, 170]),
        ("delay_ms=100; status=500", false, vec![100, 100]),
    ] {
        assert_eq!(times(directives, stream).await, when, "{directives}");
    }
}

#[tokio::test]
async fn streams_and_documents_break_off_where_directed() {
    let mock = mock().await;
    let whole = mock.chat("", json!({})).await.body.len();
    for (directives, stream, events, bytes) in [
        ("cut_after_events=0", true, 0, Some(0)),
        ("cut_after_events=2", true, 2, None),
        ("cut_after_bytes=30", true, 1, Some(30)),
        ("cut_after_bytes=0", false, 0, Some(0)),
        ("cut_after_bytes=100", false, 0, Some(100)),
        ("cut_after_events=1", false, 0, Some(whole / 2)),
    ] {
        let request = || {
            post(
                "http://mock/v1/chat/completions",
                directives,
                &chat(&json!({"stream": stream})),
            )
        };
        for answer in [
            mock.send(request()).await.unwrap(),
            mock.send_h2(request()).await.unwrap(),
        ] {
            assert!(answer.broken, "{directives} {stream}");
            assert_eq!(answer.status, 200);
            assert_eq!(
                answer.text().matches("data: ").count(),
                events,
                "{directives}: {}",
                answer.text()
            );
            assert_eq!(
                answer.body.len(),
                bytes.unwrap_or(answer.body.len()),
                "{directives} {stream}"
            );
        }
        assert_eq!(
            mock.requests("").await.pop().unwrap()["outcome"],
            "cut",
            "{directives}"
        );
    }
}

#[tokio::test]
async fn a_cut_document_had_announced_its_length() {
    let mock = mock().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nx-mock: cut_after_bytes=10";
    let text = String::from_utf8(
        mock.raw(head, chat(&json!({})).to_string().as_bytes())
            .await,
    )
    .unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert!(length.parse::<usize>().unwrap() > 100);
    assert_eq!(body.len(), 10);
}

#[tokio::test]
async fn a_connection_can_close_without_an_answer() {
    let mock = mock().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nx-mock: drop";
    assert_eq!(
        mock.raw(head, chat(&json!({})).to_string().as_bytes())
            .await,
        b""
    );
    assert!(
        mock.send_h2(post(
            "http://m/v1/chat/completions",
            "drop",
            &chat(&json!({}))
        ))
        .await
        .is_err()
    );
    assert_eq!(mock.requests("").await[0]["outcome"], "cut");
}

#[tokio::test]
async fn an_error_event_can_end_a_stream() {
    let mock = mock().await;
    let events = mock
        .chat("error_event_after=2", json!({"stream": true}))
        .await
        .events();
    assert_eq!(
        (events.len(), &events[2]["error"]["type"]),
        (3, &json!("server_error"))
    );
    let body = json!({"model": "c", "max_tokens": 9, "messages": [], "stream": true});
    let answer = mock
        .send(post("/v1/messages", "error_event_after=1", &body))
        .await
        .unwrap();
    assert_eq!(answer.names(), ["message_start", "error"]);
    assert_eq!(answer.events()[1]["error"]["type"], "overloaded_error");
    let body = json!({"input": "a b c", "stream": true});
    let answer = mock
        .send(post("/v1/responses", "error_event_after=5", &body))
        .await
        .unwrap();
    assert_eq!(answer.names().last().unwrap(), "response.failed");
    let last = answer.events().pop().unwrap();
    assert_eq!(
        (&last["response"]["status"], &last["sequence_number"]),
        (&json!("failed"), &json!(5))
    );
    assert!(last["response"]["usage"]["total_tokens"].is_u64());
    let body = json!({"contents": []});
    let path = "/v1beta/models/g:streamGenerateContent?alt=sse";
    let events = mock
        .send(post(path, "error_event_after=1", &body))
        .await
        .unwrap()
        .events();
    assert_eq!(events[1]["error"]["status"], "INTERNAL");
}
