//! The stated usage follows the directives, whatever the true counts are.

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

fn streamed() -> Value {
    json!({"stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn counts_and_stated_usage_follow_the_directives() {
    let mock = mock().await;
    // A chat of 8 prompt tokens and 3 words: the stated usage, and the true counts.
    for (directives, reported, counted) in [
        ("", Some((8, 3)), (8, 3)),
        ("output_tokens=20", Some((8, 20)), (8, 20)),
        ("output_tokens=0", Some((8, 0)), (8, 0)),
        ("no_usage", None, (8, 3)),
        ("usage_prompt=1", Some((1, 3)), (8, 3)),
        ("usage_completion=99", Some((8, 99)), (8, 3)),
        ("reasoning_tokens=7", Some((8, 10)), (8, 10)),
        ("cached_tokens=5", Some((8, 3)), (8, 3)),
    ] {
        for more in [json!({}), streamed()] {
            let answer = mock.chat(directives, more.clone()).await;
            let documents = if more == json!({}) {
                vec![answer.json()]
            } else {
                answer.events()
            };
            let usages: Vec<&Value> = documents
                .iter()
                .map(|d| &d["usage"])
                .filter(|usage| usage.is_object())
                .collect();
            let pair = |prompt: &Value, completion: &Value| {
                (prompt.as_u64().unwrap(), completion.as_u64().unwrap())
            };
            let stated = usages
                .first()
                .map(|u| pair(&u["prompt_tokens"], &u["completion_tokens"]));
            assert!(usages.len() < 2, "{directives} {more}");
            assert_eq!(stated, reported, "{directives} {more}");
            let seen = mock.requests("").await.pop().unwrap()["usage"].clone();
            let true_counts = &seen["counted"];
            assert_eq!(
                pair(
                    &true_counts["prompt_tokens"],
                    &true_counts["completion_tokens"]
                ),
                counted,
                "{directives}"
            );
            let told = seen["reported"]
                .as_object()
                .map(|r| pair(&r["prompt_tokens"], &r["completion_tokens"]));
            assert_eq!(told, reported, "{directives} {more}");
        }
    }
}

#[tokio::test]
async fn usage_details_follow_the_directives() {
    let mock = mock().await;
    let usage = mock
        .chat("cached_tokens=5; reasoning_tokens=7", json!({}))
        .await
        .json()["usage"]
        .clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 5);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 7);
    let body = json!({"model": "c", "max_tokens": 9, "messages": []});
    let usage = mock
        .send(post("/v1/messages", "cache_creation_tokens=6", &body))
        .await
        .unwrap()
        .json()["usage"]
        .clone();
    assert_eq!(
        (
            &usage["cache_creation_input_tokens"],
            &usage["input_tokens"]
        ),
        (&json!(6), &json!(0))
    );
}

#[tokio::test]
async fn a_stream_states_usage_on_the_directed_chunks() {
    let mock = mock().await;
    // Whether each chunk states usage: role, three words, finish, usage.
    for (directives, more, stating) in [
        ("", streamed(), vec![5]),
        ("usage_in_last_chunk", streamed(), vec![4]),
        ("usage_in_last_chunk", json!({"stream": true}), vec![4]),
        ("continuous_usage", streamed(), vec![0, 1, 2, 3, 4, 5]),
        (
            "",
            json!({"stream": true, "stream_options": {"include_usage": true, "continuous_usage_stats": true}}),
            vec![0, 1, 2, 3, 4, 5],
        ),
    ] {
        let events = mock.chat(directives, more).await.events();
        let got: Vec<usize> = (0..events.len())
            .filter(|i| events[*i]["usage"].is_object())
            .collect();
        assert_eq!(got, stating, "{directives}");
    }
    let events = mock.chat("continuous_usage", streamed()).await.events();
    let growing: Vec<&Value> = events
        .iter()
        .map(|e| &e["usage"]["completion_tokens"])
        .take(6)
        .collect();
    assert_eq!(growing, [0, 1, 2, 3, 3, 3]);
}
