//! Streams have the events that SDKs expect, in the expected order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use common::{mock, post};
use serde_json::{Value, json};

/// `hello there you` in one message: 15 bytes are 4 tokens, plus 4 for the message.
const PROMPT: u64 = 8;

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
        // All other chunks have `usage: null` if usage was requested, and no such key if it was not.
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
async fn a_completions_stream_answers_every_prompt() {
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
    // Cached tokens are not part of input_tokens, but are counted.
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
