//! `POST /v1/completions`, the legacy endpoint.

use serde_json::{Value, json};

use super::chat::{UsageOnStream, finish_reason, prompt_filter_results, usage};
use super::{choices, model, number, required, streaming};
use crate::count::{Prompt, text_of};
use crate::error::Failure;
use crate::job::{Ask, CREATED, Event, Job, Reply};

/// Output tokens if the request sets no cap, as at OpenAI.
const DEFAULT_MAX_TOKENS: u64 = 16;

/// Reads a request. Each prompt of a list is answered `n` times.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let model = model(&body)?;
    let given = required(&body, "prompt")?;
    let mut prompt = Prompt::default();
    prompt.text(given);
    // A list of numbers is one prompt of token ids without text. Each counts as four bytes, which is one token.
    let (prompts, token_ids) = match given.as_array() {
        Some(items) if items.first().is_some_and(Value::is_number) => (1, items.len() as u64),
        Some(items) => (items.len() as u64, 0),
        None => (1, 0),
    };
    prompt.bytes += 4 * token_ids;
    let (stream, include_usage, continuous_usage) = streaming(&body);
    Ok(Ask {
        model,
        stream,
        include_usage,
        continuous_usage,
        choices: choices(&body, "n")? * prompts,
        prompt,
        echo: text_of(given),
        cap: Some(number(&body, "max_tokens").unwrap_or(DEFAULT_MAX_TOKENS)),
        body,
    })
}

fn chunk(job: &Job, choices: &Value) -> Value {
    json!({
        "id": job.id("cmpl-"),
        "object": "text_completion",
        "created": CREATED,
        "model": job.ask.model,
        "system_fingerprint": "fp_mock",
        "choices": choices,
    })
}

fn of_choice(job: &Job, index: u64, text: &str, finish: Value) -> Value {
    chunk(
        job,
        &json!([{"index": index, "text": text, "logprobs": null, "finish_reason": finish}]),
    )
}

/// The answer as one document.
pub(crate) fn document(job: &Job) -> Reply {
    let choices: Vec<Value> = job
        .choices()
        .map(|index| json!({"index": index, "text": job.text(), "logprobs": null, "finish_reason": finish_reason(job)}))
        .collect();
    let mut answer = chunk(job, &choices.into());
    if let Some(tokens) = &job.reported {
        answer["usage"] = usage(tokens);
    }
    Reply::Json(answer, job.reported.is_some())
}

/// The answer as events.
pub(crate) fn events(job: &Job) -> Vec<Event> {
    let mut stream = UsageOnStream::new(job);
    let mut events = prompt_filter_results(job);
    for word in job.words.deltas() {
        for index in job.choices() {
            events.push(stream.event(of_choice(job, index, word, Value::Null), 1));
        }
    }
    for index in job.choices() {
        let finish = of_choice(job, index, "", finish_reason(job).into());
        events.push(stream.last(finish, index + 1 == job.ask.choices));
    }
    events.extend(stream.end(chunk(job, &json!([]))));
    events
}
