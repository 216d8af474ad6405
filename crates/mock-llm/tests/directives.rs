//! Every directive does what the README's table says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly, their helpers too"
)]

mod common;

use std::io::Read;

use axum::body::Body;
use axum::http::Request;
use common::{chat, mock, post, start};
use http_body_util::BodyExt;
use mock_llm::directive::Directives;
use mock_llm::{Config, app};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

fn streamed() -> Value {
    json!({"stream": true, "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn counts_and_usage_are_as_asked() {
    let mock = mock().await;
    // A chat of 8 prompt tokens and 3 words. What usage says, and what was truly counted.
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
async fn details_of_usage_are_as_asked() {
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
async fn usage_stands_where_asked_in_a_stream() {
    let mock = mock().await;
    // Which of the chunks state usage: role, three words, finish, usage.
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
async fn a_redirect_leads_there_and_ends_there() {
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
async fn the_answers_kind_is_as_asked_whatever_the_request_says() {
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

/// The times at which the answer's head and each frame came, on a clock that only sleeping moves.
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
async fn delays_come_where_asked() {
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
async fn streams_and_documents_break_off_where_asked() {
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
async fn a_stream_can_fail_in_its_midst() {
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

#[tokio::test]
async fn lines_are_written_in_every_way_that_the_standard_allows() {
    let mock = mock().await;
    let plain = mock.chat("", streamed()).await.text();
    assert!(plain.starts_with("data: {\"choices\"") && plain.ends_with("data: [DONE]\n\n"));
    // Ids differ from request to request, so each is looked at for itself.
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
    // A stream is readable as far as it came, also where its end has not come yet.
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
    // Each event can be inflated once it is there.
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
async fn chunks_have_the_size_that_was_asked_for() {
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
async fn an_unknown_directive_is_refused_wherever_it_stands() {
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

/// The README's table is the list of directives: each of its examples works, and none is left out.
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
