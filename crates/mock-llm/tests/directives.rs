//! The sources of directives, and their list in the README.

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
use common::{mock, post, start};
use mock_llm::Config;
use mock_llm::directive::Directives;
use serde_json::json;

#[tokio::test]
async fn directives_come_from_the_default_the_header_and_the_models_name() {
    let mut directives = Directives::default();
    directives
        .apply("output_tokens=1; usage_prompt=70")
        .unwrap();
    let mock = start(Config {
        directives,
        ..Config::default()
    })
    .await;
    for (header, model, tokens) in [
        ("", "m", (70, 1)),
        ("output_tokens=2", "m", (70, 2)),
        (
            "output_tokens=2",
            "m#output_tokens=3;usage_prompt=71",
            (71, 3),
        ),
        ("", "m#", (70, 1)),
    ] {
        let answer = mock.chat(header, json!({"model": model})).await.json();
        let usage = &answer["usage"];
        assert_eq!(answer["model"], "m");
        assert_eq!(
            (&usage["prompt_tokens"], &usage["completion_tokens"]),
            (&json!(tokens.0), &json!(tokens.1))
        );
    }
    let body = json!({"contents": []});
    let path = "/v1beta/models/g%23output_tokens=5:generateContent";
    let answer = mock.send(post(path, "", &body)).await.unwrap().json();
    assert_eq!(answer["usageMetadata"]["candidatesTokenCount"], 5);
    assert_eq!(answer["modelVersion"], "g");
}

#[tokio::test]
async fn an_unknown_directive_is_refused_from_every_source() {
    let mock = mock().await;
    for (header, model) in [("outptu_tokens=2", "m"), ("", "m#outptu_tokens=2")] {
        let answer = mock.chat(header, json!({"model": model})).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json()["error"]["message"],
            "x-mock: unknown directive 'outptu_tokens'"
        );
    }
    let bytes = Request::get("/v1/models")
        .header("x-mock", &b"gz\xffip"[..])
        .body(Body::empty())
        .unwrap();
    assert_eq!(mock.send(bytes).await.unwrap().status, 400);
}

/// The README's table lists every directive, and each of its examples works.
#[test]
fn the_readme_has_every_directive() {
    let readme = include_str!("../README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<&str> = Vec::new();
    for (example, _) in rows {
        Directives::default()
            .apply(example)
            .unwrap_or_else(|e| panic!("{e}"));
        listed.push(example.split('=').next().unwrap());
    }
    let source = include_str!("../src/directive.rs");
    let known: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\" =>"))
        .map(|(name, _)| name)
        .collect();
    assert!(known.len() > 30);
    for name in known {
        assert!(listed.contains(&name), "{name} is not in the README");
    }
}
