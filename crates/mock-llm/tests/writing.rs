//! Directives change how an answer is written: line ends, frames, compression, trailers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use std::io::Read;

use common::{chat, mock, post};
use http_body_util::BodyExt;
use mock_llm::{Config, app};
use serde_json::{Value, json};
use tower::ServiceExt;

fn streamed() -> Value {
    json!({"stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn lines_are_written_in_every_form_that_the_standard_allows() {
    let mock = mock().await;
    let plain = mock.chat("", streamed()).await.text();
    assert!(plain.starts_with("data: {\"choices\"") && plain.ends_with("data: [DONE]\n\n"));
    // Ids differ from request to request, so each answer is compared with itself.
    for (directives, starts, ends, holds) in [
        (
            "crlf",
            "data: {",
            "\r\n\r\ndata: [DONE]\r\n\r\n",
            "}\r\n\r\ndata",
        ),
        ("cr", "data: {", "\r\rdata: [DONE]\r\r", "}\r\rdata"),
        ("bom", "\u{feff}data: {", "data: [DONE]\n\n", "}\n\ndata"),
        ("no_space", "data:{", "data:[DONE]\n\n", "}\n\ndata:{"),
        (
            "comment_lines",
            ": keep-alive\ndata: {",
            ": keep-alive\ndata: [DONE]\n\n",
            "}\n\n: keep-alive\n",
        ),
        (
            "multiline_data",
            "data: {\ndata:   \"choices\"",
            "data: [DONE]\n\n",
            ",\ndata:   \"created\"",
        ),
        ("no_done", "data: {", "}\n\n", "\"usage\":{"),
        (
            "cr; crlf=false; bom; no_space",
            "\u{feff}data:{",
            "data:[DONE]\n\n",
            "}\n\ndata",
        ),
    ] {
        let text = mock.chat(directives, streamed()).await.text();
        assert!(text.starts_with(starts), "{directives}: {text:?}");
        assert!(text.ends_with(ends), "{directives}: {text:?}");
        assert!(text.contains(holds), "{directives}: {text:?}");
    }
}

#[tokio::test]
async fn a_line_can_be_long() {
    let mock = mock().await;
    let text = mock
        .chat("long_line_bytes=3000000", json!({"stream": true}))
        .await
        .text();
    assert!(text.lines().next().unwrap().len() > 3_000_000);
    assert!(text.lines().nth(2).unwrap().len() < 1000);
}

#[tokio::test]
async fn azures_first_chunk_has_no_choices() {
    let mock = mock().await;
    let events = mock.chat("extra_empty_choices", streamed()).await.events();
    assert_eq!(events[0]["choices"], json!([]));
    assert!(events[0]["prompt_filter_results"].is_array());
    assert_eq!(events[0].get("usage"), None);
    assert_eq!(events[1]["choices"][0]["delta"]["role"], "assistant");
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    // A stream can be inflated as far as it has arrived, even before its end.
    let _ = flate2::read::GzDecoder::new(bytes).read_to_string(&mut text);
    text
}

#[tokio::test]
async fn answers_can_be_compressed() {
    let mock = mock().await;
    for stream in [false, true] {
        let answer = mock.chat("gzip", json!({"stream": stream})).await;
        assert_eq!(answer.header("content-encoding"), "gzip");
        let text = gunzip(&answer.body);
        assert!(
            text.contains("\"choices\"") && text.contains("\"stop\""),
            "{text}"
        );
        assert_eq!(text.ends_with("data: [DONE]\n\n"), stream);
    }
    // Each event can be inflated as soon as it has arrived.
    let answer = mock
        .chat("gzip; cut_after_events=2", json!({"stream": true}))
        .await;
    assert_eq!(gunzip(&answer.body).matches("data: ").count(), 2);
}

/// The sizes of a raw HTTP/1.1 answer's chunks.
fn chunk_sizes(raw: &[u8]) -> Vec<usize> {
    let at = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let mut rest = &raw[at..];
    let mut sizes = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return sizes;
        }
        sizes.push(size);
        rest = &rest[line + 2 + size + 2..];
    }
}

#[tokio::test]
async fn chunks_have_the_requested_size() {
    let mock = mock().await;
    let body = chat(&json!({"stream": true})).to_string();
    let raw = async |directives: &str| {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nx-mock: {directives}");
        chunk_sizes(&mock.raw(&head, body.as_bytes()).await)
    };
    let events = raw("").await;
    assert_eq!(events.len(), 6);
    let whole: usize = events.iter().sum();
    let ones = raw("chunk_bytes=1").await;
    assert_eq!(ones, vec![1; whole]);
    let sevens = raw("chunk_bytes=7").await;
    assert!(sevens[..sevens.len() - 1].iter().all(|size| *size == 7));
    assert_eq!(raw("chunk_bytes=1000000").await, [whole]);
    assert_eq!(
        raw("split_at=5").await,
        [&[5, events[0] - 5], &events[1..]].concat()
    );
}

#[tokio::test]
async fn a_document_can_come_in_single_bytes_too() {
    let request = post("/v1/chat/completions", "chunk_bytes=1", &chat(&json!({})));
    let response = app(Config::default()).oneshot(request).await.unwrap();
    let length: usize = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = response.into_body();
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        assert_eq!(frame.unwrap().into_data().unwrap().len(), 1);
        frames += 1;
    }
    assert_eq!(frames, length);
}

#[tokio::test]
async fn answers_can_end_with_trailers() {
    let mock = mock().await;
    for stream in [false, true] {
        let request = || {
            let mut request = post(
                "http://m/v1/chat/completions",
                "trailers",
                &chat(&json!({"stream": stream})),
            );
            request
                .headers_mut()
                .insert("te", "trailers".parse().unwrap());
            request
        };
        for answer in [
            mock.send(request()).await.unwrap(),
            mock.send_h2(request()).await.unwrap(),
        ] {
            assert_eq!(answer.header("trailer"), "x-mock-trailer");
            assert_eq!(answer.trailers.unwrap()["x-mock-trailer"], "end");
            assert!(!answer.broken && !answer.body.is_empty());
        }
        assert_eq!(
            mock.requests("").await.pop().unwrap()["outcome"],
            "completed"
        );
    }
}
