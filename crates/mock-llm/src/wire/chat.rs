//! `POST /v1/chat/completions`.

use serde_json::{Value, json};

use super::{choices, model, required, smallest, streaming};
use crate::count::{Prompt, Tokens, text_of};
use crate::error::Failure;
use crate::job::{Ask, CREATED, Event, Job, Reply};

/// Reads a request.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let model = model(&body)?;
    let Some(messages) = required(&body, "messages")?.as_array() else {
        return Err(Failure::invalid(
            "Invalid type for 'messages': expected an array.",
            Some("messages"),
        ));
    };
    let mut prompt = Prompt::default();
    let mut echo = String::new();
    for message in messages {
        let content = message.get("content").unwrap_or(&Value::Null);
        prompt.message(content);
        if message.get("role").and_then(Value::as_str) == Some("user") {
            echo = text_of(content);
        }
    }
    let (stream, include_usage, continuous_usage) = streaming(&body);
    Ok(Ask {
        model,
        stream,
        include_usage,
        continuous_usage,
        choices: choices(&body, "n")?,
        prompt,
        echo,
        cap: smallest(&body, &["max_completion_tokens", "max_tokens"]),
        body,
    })
}

/// OpenAI's `usage` of chat completions and completions.
pub(crate) fn usage(tokens: &Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.total(),
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

pub(crate) fn finish_reason(job: &Job) -> &'static str {
    if job.capped { "length" } else { "stop" }
}

/// The answer as one document.
pub(crate) fn document(job: &Job) -> Reply {
    let choices: Vec<Value> = job
        .choices()
        .map(|index| {
            json!({
                "index": index,
                "message": {"role": "assistant", "content": job.text(), "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": finish_reason(job),
            })
        })
        .collect();
    let mut answer = json!({
        "id": job.id("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": job.ask.model,
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    });
    if let Some(tokens) = &job.reported {
        answer["usage"] = usage(tokens);
    }
    Reply::Json(answer, job.reported.is_some())
}

/// The answer as events.
pub(crate) fn events(job: &Job) -> Vec<Event> {
    let id = job.id("chatcmpl-");
    let chunk = |choices: Value| {
        json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": job.ask.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
            "choices": choices,
        })
    };
    let of_choice = |index: u64, delta: Value, finish: Value| {
        chunk(json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]))
    };
    let mut stream = UsageOnStream::new(job);
    let mut events = prompt_filter_results(job);
    for index in job.choices() {
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        events.push(stream.event(of_choice(index, role, Value::Null), 0));
    }
    for word in job.words.deltas() {
        for index in job.choices() {
            let content = json!({"content": word});
            events.push(stream.event(of_choice(index, content, Value::Null), 1));
        }
    }
    for index in job.choices() {
        let last = index + 1 == job.ask.choices;
        events.push(stream.last(of_choice(index, json!({}), finish_reason(job).into()), last));
    }
    events.extend(stream.end(chunk(json!([]))));
    events
}

/// Azure's first event, which has neither choices nor usage.
pub(crate) fn prompt_filter_results(job: &Job) -> Vec<Event> {
    if !job.directives.extra_empty_choices {
        return Vec::new();
    }
    let safe = json!({"filtered": false, "severity": "safe"});
    let results = json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe});
    vec![Event::data(json!({
        "id": "", "object": "", "created": 0, "model": "", "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}],
    }))]
}

/// Where a chat or completions stream states its usage: on an extra last chunk as OpenAI does, on the last
/// choice's chunk as others do, or on every chunk as vLLM can.
pub(crate) struct UsageOnStream<'a> {
    job: &'a Job,
    sent: u64,
    continuous: bool,
}

impl<'a> UsageOnStream<'a> {
    pub(crate) fn new(job: &'a Job) -> Self {
        let continuous =
            job.directives.continuous_usage || (job.ask.include_usage && job.ask.continuous_usage);
        Self {
            job,
            sent: 0,
            continuous,
        }
    }

    /// A chunk that delivers `tokens` words.
    pub(crate) fn event(&mut self, mut chunk: Value, tokens: u64) -> Event {
        // No event shows reasoning, but it is spent before the first word.
        let hidden = if tokens > 0 && self.sent == 0 {
            self.job.counted.reasoning
        } else {
            0
        };
        self.sent += tokens + hidden;
        let mut stated = None;
        if self.continuous {
            stated = self.job.reported_after(self.sent);
        }
        match stated {
            Some(tokens) => chunk["usage"] = usage(&tokens),
            None if self.job.ask.include_usage && self.job.reported.is_some() => {
                chunk["usage"] = Value::Null
            }
            None => {}
        }
        Event::data(chunk).tokens(tokens + hidden).usage(stated)
    }

    /// A chunk with a finish reason; `last` says that it ends the last choice.
    pub(crate) fn last(&mut self, chunk: Value, last: bool) -> Event {
        let mut event = self.event(chunk, 0);
        if let (Some(tokens), Some(data), true) = (self.job.reported, &mut event.data, last)
            && self.job.directives.usage_in_last_chunk
        {
            data["usage"] = usage(&tokens);
            event.usage = Some(tokens);
        }
        event
    }

    /// The end of the stream: the usage chunk if it is due, then `[DONE]`.
    pub(crate) fn end(self, mut chunk: Value) -> Vec<Event> {
        let mut events = Vec::new();
        let due = self.job.ask.include_usage && !self.job.directives.usage_in_last_chunk;
        if let (Some(tokens), true) = (self.job.reported, due) {
            chunk["usage"] = usage(&tokens);
            events.push(Event::data(chunk).usage(Some(tokens)));
        }
        if !self.job.directives.no_done {
            events.push(Event::done());
        }
        events
    }
}
