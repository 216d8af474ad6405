//! Every endpoint answers in its API's shape, with the counts that the rule gives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{chat, mock, post};
use mock_llm::{Config, DEFAULT_MODELS};
use serde_json::{Value, json};

/// `hello there you` in one message: 15 bytes are 4 tokens, and 4 for the message.
const PROMPT: u64 = 8;

/// Path, body, where the text is, where the usage is, what it says.
type Row = (
    &'static str,
    Value,
    &'static str,
    [&'static str; 3],
    [u64; 3],
);

/// Bodies that say `hello there you` by each path, and where each answer has its text and its usage as
/// (prompt, completion, total).
fn endpoints() -> Vec<Row> {
    let messages = json!([{"role": "user", "content": "hello there you"}]);
    let openai = [
        "/usage/prompt_tokens",
        "/usage/completion_tokens",
        "/usage/total_tokens",
    ];
    let newer = [
        "/usage/input_tokens",
        "/usage/output_tokens",
        "/usage/total_tokens",
    ];
    let gemini = [
        "/usageMetadata/promptTokenCount",
        "/usageMetadata/candidatesTokenCount",
        "/usageMetadata/totalTokenCount",
    ];
    vec![
        (
            "/v1/chat/completions",
            chat(&json!({})),
            "/choices/0/message/content",
            openai,
            [8, 3, 11],
        ),
        (
            "/v1/chat/completions",
            chat(&json!({"n": 3})),
            "/choices/2/message/content",
            openai,
            [8, 9, 17],
        ),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": "hello there you"}),
            "/choices/0/text",
            openai,
            [4, 3, 7],
        ),
        (
            "/v1/responses",
            json!({"input": "hello there you"}),
            "/output/0/content/0/text",
            newer,
            [8, 3, 11],
        ),
        (
            "/v1/responses",
            json!({"input": messages}),
            "/output/0/content/0/text",
            newer,
            [8, 3, 11],
        ),
        (
            "/v1/messages",
            json!({"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": messages}),
            "/content/0/text",
            ["/usage/input_tokens", "/usage/output_tokens", "/none"],
            [8, 3, 0],
        ),
        (
            "/v1beta/models/gemini-2.5-flash:generateContent",
            json!({"contents": [{"role": "user", "parts": [{"text": "hello there you"}]}]}),
            "/candidates/0/content/parts/0/text",
            gemini,
            [8, 3, 11],
        ),
    ]
}

#[tokio::test]
async fn documents_have_text_and_usage_where_sdks_look() {
    let mock = mock().await;
    for (path, body, text, usage, counts) in endpoints() {
        for prefix in ["", "/api"] {
            let answer = mock
                .send(post(&format!("{prefix}{path}"), "", &body))
                .await
                .unwrap();
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, "application/json"),
                "{path}"
            );
            let answer = answer.json();
            assert_eq!(answer.pointer(text).unwrap(), "hello there you", "{path}");
            let got = usage.map(|at| answer.pointer(at).and_then(Value::as_u64).unwrap_or(0));
            assert_eq!(got, counts, "{path}");
        }
    }
}

#[tokio::test]
async fn chat_streams_as_openai_does() {
    let mock = mock().await;
    for (asked, chunks, with_usage) in [(false, 5, false), (true, 6, true)] {
        let answer = mock
            .chat(
                "",
                json!({"stream": true, "stream_options": {"include_usage": asked}}),
            )
            .await;
        assert_eq!(
            answer.header("content-type"),
            "text/event-stream; charset=utf-8"
        );
        let mut events = answer.events();
        assert_eq!(events.pop().unwrap(), "[DONE]");
        assert_eq!(events.len(), chunks);
        assert!(
            events
                .iter()
                .all(|chunk| chunk["object"] == "chat.completion.chunk")
        );
        assert!(events.iter().all(|chunk| chunk["id"] == events[0]["id"]));
        assert_eq!(
            events[0]["choices"][0]["delta"],
            json!({"role": "assistant", "content": "", "refusal": null})
        );
        let text: String = events
            .iter()
            .filter_map(|e| e["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(text, "hello there you");
        assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
        // `usage: null` on all other chunks where it was asked for, no such key where it was not.
        let nulls = events
            .iter()
            .filter(|e| e.get("usage") == Some(&Value::Null))
            .count();
        assert_eq!(nulls, if with_usage { 5 } else { 0 });
        if with_usage {
            assert_eq!(events[5]["choices"], json!([]));
            assert_eq!(events[5]["usage"]["total_tokens"], PROMPT + 3);
            assert_eq!(
                events[5]["usage"]["completion_tokens_details"]["reasoning_tokens"],
                0
            );
        }
    }
}

#[tokio::test]
async fn completions_stream_with_every_prompt_answered() {
    let mock = mock().await;
    let body = json!({
        "model": "m", "prompt": ["one two", "three"], "n": 2, "max_tokens": 2,
        "stream": true, "stream_options": {"include_usage": true},
    });
    let events = mock
        .send(post("/v1/completions", "", &body))
        .await
        .unwrap()
        .events();
    let last = &events[events.len() - 2];
    assert_eq!(last["usage"]["completion_tokens"], 8);
    assert_eq!(last["choices"], json!([]));
    assert_eq!(events[0]["object"], "text_completion");
    let finished = events
        .iter()
        .filter(|e| e["choices"][0]["finish_reason"] == "length")
        .count();
    assert_eq!(finished, 4);
}

#[tokio::test]
async fn responses_stream_from_created_to_completed() {
    let mock = mock().await;
    for (cap, last, status) in [
        (json!(null), "response.completed", "completed"),
        (json!(1), "response.incomplete", "incomplete"),
    ] {
        let body = json!({"model": "gpt-4o", "input": "hello there", "stream": true, "max_output_tokens": cap});
        let answer = mock.send(post("/v1/responses", "", &body)).await.unwrap();
        let (names, events) = (answer.names(), answer.events());
        assert_eq!(names.first().unwrap(), "response.created");
        assert_eq!(names.last().unwrap(), last);
        for (i, (name, event)) in names.iter().zip(&events).enumerate() {
            assert_eq!(
                (&event["type"], &event["sequence_number"]),
                (&json!(name), &json!(i))
            );
        }
        let deltas = names
            .iter()
            .filter(|name| *name == "response.output_text.delta")
            .count();
        let end = &events.last().unwrap()["response"];
        assert_eq!(end["status"], status);
        assert_eq!(end["usage"]["output_tokens"], deltas);
        assert_eq!(end["usage"]["input_tokens"], 7);
        assert_eq!(events[0]["response"]["usage"], Value::Null);
    }
}

#[tokio::test]
async fn messages_stream_with_cumulative_usage() {
    let mock = mock().await;
    let body = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "hello there you"}],
    });
    let answer = mock
        .send(post(
            "/v1/messages",
            "cached_tokens=100; cache_creation_tokens=10",
            &body,
        ))
        .await
        .unwrap();
    let names = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(answer.names(), names);
    let events = answer.events();
    let start = &events[0]["message"]["usage"];
    assert_eq!(
        (&start["input_tokens"], &start["output_tokens"]),
        (&json!(PROMPT), &json!(1))
    );
    assert_eq!(
        (
            &start["cache_read_input_tokens"],
            &start["cache_creation_input_tokens"]
        ),
        (&json!(100), &json!(10))
    );
    assert_eq!(events[7]["usage"]["output_tokens"], 3);
    assert_eq!(events[7]["delta"]["stop_reason"], "end_turn");
    // The cache's tokens are no part of input_tokens, and were paid all the same.
    assert_eq!(
        mock.requests("").await[0]["usage"]["counted"]["prompt_tokens"],
        PROMPT + 110
    );
}

#[tokio::test]
async fn gemini_streams_events_or_a_list() {
    let mock = mock().await;
    let body = json!({"contents": [{"parts": [{"text": "hello there you"}]}]});
    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
    let events = mock
        .send(post(
            &format!("{path}?alt=sse"),
            "reasoning_tokens=5",
            &body,
        ))
        .await
        .unwrap()
        .events();
    let list = mock
        .send(post(path, "reasoning_tokens=5", &body))
        .await
        .unwrap()
        .json();
    for chunks in [&events, list.as_array().unwrap()] {
        assert_eq!(chunks.len(), 3);
        let usage = &chunks[2]["usageMetadata"];
        assert_eq!(usage["candidatesTokenCount"], 3);
        assert_eq!(usage["thoughtsTokenCount"], 5);
        assert_eq!(usage["totalTokenCount"], PROMPT + 8);
        assert_eq!(chunks[2]["candidates"][0]["finishReason"], "STOP");
        assert_eq!(chunks[1]["modelVersion"], "gemini-2.5-flash");
    }
}

#[tokio::test]
async fn embeddings_come_as_floats_and_as_base64() {
    let mock = mock().await;
    let body = |format: &str| json!({"model": "e", "input": ["abcd", "efgh"], "dimensions": 3, "encoding_format": format});
    let floats = mock
        .send(post("/v1/embeddings", "", &body("float")))
        .await
        .unwrap()
        .json();
    let base64 = mock
        .send(post("/v1/embeddings", "", &body("base64")))
        .await
        .unwrap()
        .json();
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 3);
    assert_ne!(
        floats["data"][0]["embedding"],
        floats["data"][1]["embedding"]
    );
    assert_eq!(base64["data"][1]["embedding"].as_str().unwrap().len(), 16); // 12 bytes
    assert_eq!(
        base64["usage"],
        json!({"prompt_tokens": 2, "total_tokens": 2})
    );
}

#[tokio::test]
async fn models_are_listed_and_looked_up() {
    let mock = mock().await;
    let list = mock.get("/api/v1/models").await.json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"].as_array().unwrap().len(), DEFAULT_MODELS.len());
    assert_eq!(list["data"][0]["object"], "model");
    assert_eq!(mock.get("/v1/models/gpt-4o").await.json()["id"], "gpt-4o");
    let missing = mock.get("/v1/models/gpt-9").await;
    assert_eq!(
        (missing.status, missing.json()["error"]["code"].as_str()),
        (404, Some("model_not_found"))
    );
}

#[tokio::test]
async fn moderations_and_images_answer() {
    let mock = mock().await;
    let moderation = mock
        .send(post("/v1/moderations", "", &json!({"input": ["a", "b"]})))
        .await
        .unwrap()
        .json();
    assert_eq!(moderation["results"][1]["flagged"], false);
    assert_eq!(moderation.get("usage"), None);
    let body = json!({"model": "gpt-image-1", "prompt": "a cat now", "n": 2});
    let image = mock
        .send(post("/v1/images/generations", "", &body))
        .await
        .unwrap()
        .json();
    assert_eq!(image["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            &image["usage"]["input_tokens"],
            &image["usage"]["output_tokens"]
        ),
        (&json!(3), &json!(544))
    );
    let old = mock
        .send(post(
            "/v1/images/generations",
            "",
            &json!({"prompt": "a cat"}),
        ))
        .await
        .unwrap()
        .json();
    assert_eq!(old.get("usage"), None);
}

#[tokio::test]
async fn transcriptions_take_a_form_with_its_file_anywhere() {
    let mock = mock().await;
    let file = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n{}\r\n",
        "x".repeat(2500)
    );
    let field = |name: &str, value: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    for (model, usage) in [
        (
            "gpt-4o-transcribe",
            json!({
                "type": "tokens", "input_tokens": 4, "output_tokens": 5, "total_tokens": 9,
                "input_token_details": {"text_tokens": 1, "audio_tokens": 3},
            }),
        ),
        ("whisper-1", json!({"type": "duration", "seconds": 1})),
    ] {
        for file_first in [true, false] {
            let fields = field("model", model) + &field("prompt", "abc");
            let form = if file_first {
                file.clone() + &fields
            } else {
                fields + &file
            } + "--b--\r\n";
            let request = Request::post("/v1/audio/transcriptions")
                .header("content-type", "multipart/form-data; boundary=b")
                .body(Body::from(form))
                .unwrap();
            let answer = mock.send(request).await.unwrap().json();
            assert_eq!(
                answer,
                json!({"text": "This is what was said.", "usage": usage})
            );
        }
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_apis_own_shape() {
    let mock = mock().await;
    for (path, body, status, kind) in [
        (
            "/v1/chat/completions",
            json!({"messages": []}),
            400,
            "/error/type",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "m"}),
            400,
            "/error/type",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": [], "n": 0}),
            400,
            "/error/type",
        ),
        ("/v1/chat/completions", json!([]), 400, "/error/type"),
        ("/v1/nothing", json!({}), 404, "/error/type"),
        ("/v1/models", json!({}), 405, "/error/type"),
        (
            "/v1/messages",
            json!({"model": "m", "messages": []}),
            400,
            "/error/type",
        ),
        (
            "/v1beta/models/g:generateContent",
            json!({}),
            400,
            "/error/status",
        ),
    ] {
        let answer = mock.send(post(path, "", &body)).await.unwrap();
        assert_eq!(answer.status, status, "{path} {body}");
        assert!(
            answer.json().pointer(kind).is_some(),
            "{path} {body}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_providers_key_is_demanded_where_configured() {
    let config = Config {
        require_key: Some("sk-up".into()),
        name: Some("blue".into()),
        ..Config::default()
    };
    let mock = common::start(config).await;
    for (keys, status) in [
        (vec!["Bearer sk-up"], 200),
        (vec![], 401),
        (vec!["Bearer gmtech_x"], 401),
        (vec!["sk-up"], 401),
        (vec!["Bearer sk-up", "Bearer gmtech_x"], 401),
    ] {
        let mut request = post("/v1/chat/completions", "", &chat(&json!({})));
        for key in &keys {
            request
                .headers_mut()
                .append("authorization", key.parse().unwrap());
        }
        let answer = mock.send(request).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("x-mock-name")),
            (status, "blue"),
            "{keys:?}"
        );
    }
    assert_eq!(mock.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let mock = mock().await;
    let request = Request::post("http://llm.test/v1/chat/completions")
        .body(Body::from(chat(&json!({})).to_string()));
    let answer = mock.send_h2(request.unwrap()).await.unwrap();
    assert_eq!(answer.json()["usage"]["total_tokens"], PROMPT + 3);
    let seen = &mock.requests("").await[0];
    assert_eq!(
        (&seen["http_version"], &seen["authority"]),
        (&json!("HTTP/2.0"), &json!("llm.test"))
    );
}
