//! Every endpoint answers in its API's shape, with the counts of the token rule.

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

/// `hello there you` in one message: 15 bytes are 4 tokens, plus 4 for the message.
const PROMPT: u64 = 8;

/// Path, body, the place of the text, the place of the usage, the usage.
type Row = (
    &'static str,
    Value,
    &'static str,
    [&'static str; 3],
    [u64; 3],
);

/// For each path a body with the text `hello there you`, and where the answer has its text and its usage as
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
async fn the_providers_key_is_required_if_configured() {
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
async fn http2_is_served_on_the_same_port() {
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
