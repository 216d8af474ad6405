//! `POST /v1/responses`.

use serde_json::{Value, json};

use super::{number, streaming};
use crate::count::{Prompt, Tokens, text_of};
use crate::error::Failure;
use crate::job::{Ask, CREATED, Event, Job, Reply};

const DEFAULT_MODEL: &str = "gpt-4o";

/// Reads a request. The model is optional.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let mut prompt = Prompt::default();
    let mut echo = String::new();
    if let Some(instructions) = body.get("instructions").filter(|i| !i.is_null()) {
        prompt.message(instructions);
    }
    match body.get("input") {
        Some(text @ Value::String(_)) => {
            prompt.message(text);
            echo = text_of(text);
        }
        Some(Value::Array(items)) => {
            for item in items {
                let content = item.get("content").unwrap_or(item);
                prompt.message(content);
                if item.get("role").and_then(Value::as_str) == Some("user") {
                    echo = text_of(content);
                }
            }
        }
        Some(_) => return Err(Failure::invalid("Invalid type for 'input'.", Some("input"))),
        None => {}
    }
    let (stream, ..) = streaming(&body);
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or(DEFAULT_MODEL)
        .to_owned();
    Ok(Ask {
        model,
        stream,
        choices: 1,
        prompt,
        echo,
        cap: number(&body, "max_output_tokens"),
        body,
        ..Ask::default()
    })
}

pub(crate) fn usage(tokens: &Tokens) -> Value {
    json!({
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.completion,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total(),
    })
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn item(job: &Job, status: &str, content: Value) -> Value {
    json!({"id": job.id("msg_"), "type": "message", "role": "assistant", "status": status, "content": content})
}

/// The response object with its output so far.
fn response(job: &Job, status: &str, output: &Value, usage: Value) -> Value {
    let body = &job.ask.body;
    let given = |field: &str| body.get(field).cloned().unwrap_or(Value::Null);
    let incomplete = if status == "incomplete" {
        json!({"reason": "max_output_tokens"})
    } else {
        Value::Null
    };
    json!({
        "id": job.id("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": incomplete,
        "instructions": given("instructions"),
        "max_output_tokens": given("max_output_tokens"),
        "metadata": body.get("metadata").filter(|m| m.is_object()).cloned().unwrap_or_else(|| json!({})),
        "model": job.ask.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": given("previous_response_id"),
        "reasoning": {"effort": null, "summary": null},
        "service_tier": "default",
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
    })
}

fn final_status(job: &Job) -> &'static str {
    if job.capped {
        "incomplete"
    } else {
        "completed"
    }
}

pub(crate) fn finished(job: &Job) -> Value {
    let output = json!([item(job, final_status(job), json!([part(job.text())]))]);
    response(
        job,
        final_status(job),
        &output,
        job.reported.as_ref().map_or(Value::Null, usage),
    )
}

/// The answer as one document.
pub(crate) fn document(job: &Job) -> Reply {
    Reply::Json(finished(job), job.reported.is_some())
}

/// The answer as events.
pub(crate) fn events(job: &Job) -> Vec<Event> {
    let id = job.id("msg_");
    let started = response(job, "in_progress", &json!([]), Value::Null);
    let mut events = vec![
        Event::named("response.created", json!({"response": started})),
        Event::named("response.in_progress", json!({"response": started})),
        Event::named(
            "response.output_item.added",
            json!({"output_index": 0, "item": item(job, "in_progress", json!([]))}),
        ),
        Event::named(
            "response.content_part.added",
            json!({"item_id": id, "output_index": 0, "content_index": 0, "part": part("")}),
        ),
    ];
    for (i, delta) in job.words.deltas().enumerate() {
        // No event shows reasoning, but it is spent before the first word.
        let hidden = if i == 0 { job.counted.reasoning } else { 0 };
        let data = json!({
            "item_id": id, "output_index": 0, "content_index": 0, "delta": delta, "logprobs": [],
        });
        events.push(Event::named("response.output_text.delta", data).tokens(1 + hidden));
    }
    let whole = item(job, final_status(job), json!([part(job.text())]));
    let text = json!({"item_id": id, "output_index": 0, "content_index": 0, "text": job.text(), "logprobs": []});
    let done =
        json!({"item_id": id, "output_index": 0, "content_index": 0, "part": part(job.text())});
    let last = if job.capped {
        "response.incomplete"
    } else {
        "response.completed"
    };
    events.extend([
        Event::named("response.output_text.done", text),
        Event::named("response.content_part.done", done),
        Event::named(
            "response.output_item.done",
            json!({"output_index": 0, "item": whole}),
        ),
        Event::named(last, json!({"response": finished(job)})).usage(job.reported),
    ]);
    for (i, event) in events.iter_mut().enumerate() {
        number_event(event, i);
    }
    events
}

/// Adds the event's name and position, which every event of this API has.
fn number_event(event: &mut Event, position: usize) {
    if let (Some(name), Some(data)) = (event.name, &mut event.data) {
        data["type"] = name.into();
        data["sequence_number"] = position.into();
    }
}

/// The error event that ends a stream, with its usage.
pub(crate) fn failed(job: &Job, position: usize) -> Event {
    let mut response = response(
        job,
        "failed",
        &json!([]),
        job.reported.as_ref().map_or(Value::Null, usage),
    );
    response["error"] =
        json!({"code": "server_error", "message": "The mock failed, as it was asked to."});
    let mut event =
        Event::named("response.failed", json!({"response": response})).usage(job.reported);
    number_event(&mut event, position);
    event
}
