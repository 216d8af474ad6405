//! `POST /v1/messages` (Anthropic). Its `input_tokens` exclude tokens read from or written to a cache, which are
//! counted separately.

use serde_json::{Value, json};

use super::{model, number, required, streaming};
use crate::count::{Prompt, Tokens, text_of};
use crate::error::Failure;
use crate::job::{Ask, Event, Job, Reply};

/// Reads a request.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let model = model(&body)?;
    let cap = number(&body, "max_tokens");
    if cap.is_none() {
        return Err(Failure::invalid(
            "max_tokens: Field required",
            Some("max_tokens"),
        ));
    }
    let Some(messages) = required(&body, "messages")?.as_array() else {
        return Err(Failure::invalid(
            "messages: Input should be a valid list",
            Some("messages"),
        ));
    };
    let mut prompt = Prompt::default();
    let mut echo = String::new();
    if let Some(system) = body.get("system").filter(|s| !s.is_null()) {
        prompt.message(system);
    }
    for message in messages {
        let content = message.get("content").unwrap_or(&Value::Null);
        prompt.message(content);
        if message.get("role").and_then(Value::as_str) == Some("user") {
            echo = text_of(content);
        }
    }
    let (stream, ..) = streaming(&body);
    Ok(Ask {
        model,
        stream,
        choices: 1,
        prompt,
        echo,
        cap,
        body,
        ..Ask::default()
    })
}

/// The counts with cached tokens, which are added to the prompt.
pub(crate) fn count(job: &mut Job) {
    let counted = job.counted;
    let prompt = counted.prompt + counted.cached + counted.cache_creation;
    job.set_counts(Tokens { prompt, ..counted });
}

fn usage(tokens: &Tokens, output: u64) -> Value {
    json!({
        "input_tokens": tokens.prompt.saturating_sub(tokens.cached + tokens.cache_creation),
        "cache_creation_input_tokens": tokens.cache_creation,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn message(job: &Job, content: &Value, stop: Value) -> Value {
    json!({
        "id": job.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": job.ask.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
    })
}

fn stop_reason(job: &Job) -> &'static str {
    if job.capped { "max_tokens" } else { "end_turn" }
}

/// The answer as one document.
pub(crate) fn document(job: &Job) -> Reply {
    let mut answer = message(
        job,
        &json!([{"type": "text", "text": job.text()}]),
        stop_reason(job).into(),
    );
    if let Some(tokens) = &job.reported {
        answer["usage"] = usage(tokens, tokens.completion);
    }
    Reply::Json(answer, job.reported.is_some())
}

/// The answer as events.
pub(crate) fn events(job: &Job) -> Vec<Event> {
    let named = |name: &'static str, mut data: Value| {
        data["type"] = name.into();
        Event::named(name, data)
    };
    let mut start = message(job, &json!([]), Value::Null);
    let mut first = None;
    if let Some(tokens) = &job.reported {
        // As the real API does: all input tokens, and the output tokens at the start of the stream.
        let output = tokens.completion.min(1);
        start["usage"] = usage(tokens, output);
        first = Some(Tokens {
            completion: output,
            ..*tokens
        });
    }
    let mut events = vec![
        named("message_start", json!({"message": start})).usage(first),
        named(
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        named("ping", json!({})),
    ];
    for (i, delta) in job.words.deltas().enumerate() {
        let hidden = if i == 0 { job.counted.reasoning } else { 0 };
        let text = json!({"type": "text_delta", "text": delta});
        events.push(
            named("content_block_delta", json!({"index": 0, "delta": text})).tokens(1 + hidden),
        );
    }
    let mut end = json!({"delta": {"stop_reason": stop_reason(job), "stop_sequence": null}});
    if let Some(tokens) = &job.reported {
        end["usage"] = usage(tokens, tokens.completion);
    }
    events.extend([
        named("content_block_stop", json!({"index": 0})),
        named("message_delta", end).usage(job.reported),
        named("message_stop", json!({})),
    ]);
    events
}

/// The error event that ends a stream.
pub(crate) fn error_event() -> Event {
    Event::named(
        "error",
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    )
}
