//! `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`. Its thinking tokens are counted
//! beside the candidates' tokens, not among them.

use serde_json::{Value, json};

use super::{number, required};
use crate::count::{Prompt, Tokens, text_of};
use crate::error::Failure;
use crate::job::{Ask, Event, Job, Reply};

/// Reads a request. The path gives the model, and whether it streams.
pub(crate) fn read(body: Value, stream: bool) -> Result<Ask, Failure> {
    let Some(contents) = required(&body, "contents")?.as_array() else {
        return Err(Failure::invalid(
            "Invalid value at 'contents'.",
            Some("contents"),
        ));
    };
    let mut prompt = Prompt::default();
    let mut echo = String::new();
    if let Some(system) = body.get("systemInstruction") {
        prompt.message(system);
    }
    for content in contents {
        prompt.message(content);
        if content
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or("user")
            == "user"
        {
            echo = text_of(content);
        }
    }
    let config = body.get("generationConfig").unwrap_or(&Value::Null);
    let choices = super::choices(config, "candidateCount")?;
    let cap = number(config, "maxOutputTokens");
    Ok(Ask {
        stream,
        choices,
        prompt,
        echo,
        cap,
        body,
        ..Ask::default()
    })
}

fn usage(tokens: &Tokens) -> Value {
    let mut usage = json!({
        "promptTokenCount": tokens.prompt,
        "candidatesTokenCount": tokens.completion.saturating_sub(tokens.reasoning),
        "totalTokenCount": tokens.total(),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.prompt}],
    });
    if tokens.reasoning > 0 {
        usage["thoughtsTokenCount"] = tokens.reasoning.into();
    }
    if tokens.cached > 0 {
        usage["cachedContentTokenCount"] = tokens.cached.into();
    }
    usage
}

fn candidate(index: u64, text: &str, finish: Option<&str>) -> Value {
    let mut candidate =
        json!({"index": index, "content": {"role": "model", "parts": [{"text": text}]}});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    candidate
}

fn chunk(job: &Job, candidates: &Value, stated: Option<Tokens>) -> Value {
    let mut chunk =
        json!({"candidates": candidates, "modelVersion": job.ask.model, "responseId": job.id("")});
    if let Some(tokens) = &stated {
        chunk["usageMetadata"] = usage(tokens);
    }
    chunk
}

fn finish_reason(job: &Job) -> &'static str {
    if job.capped { "MAX_TOKENS" } else { "STOP" }
}

/// The answer as one document.
pub(crate) fn document(job: &Job) -> Reply {
    let candidates = job
        .choices()
        .map(|i| candidate(i, job.text(), Some(finish_reason(job))));
    let answer = chunk(job, &candidates.collect::<Vec<_>>().into(), job.reported);
    Reply::Json(answer, job.reported.is_some())
}

/// The answer as events, each with the usage so far.
pub(crate) fn events(job: &Job) -> Vec<Event> {
    let mut sent = 0;
    let mut events = Vec::new();
    for (word, text) in job.words.deltas().enumerate() {
        let hidden = if word == 0 { job.counted.reasoning } else { 0 };
        let last = word + 1 == job.words.len();
        let tokens = job.ask.choices + hidden;
        sent += tokens;
        let candidates = job
            .choices()
            .map(|i| candidate(i, text, last.then(|| finish_reason(job))));
        let stated = if last {
            job.reported
        } else {
            job.reported_after(sent)
        };
        let data = chunk(job, &candidates.collect::<Vec<_>>().into(), stated);
        events.push(Event::data(data).tokens(tokens).usage(stated));
    }
    if events.is_empty() {
        let data = chunk(
            job,
            &json!([candidate(0, "", Some(finish_reason(job)))]),
            job.reported,
        );
        events.push(Event::data(data).usage(job.reported));
    }
    events
}

/// A stream without `alt=sse`: the same chunks as one JSON list.
pub(crate) fn list(job: &Job) -> Reply {
    let chunks: Vec<Value> = events(job)
        .into_iter()
        .filter_map(|event| event.data)
        .collect();
    Reply::Json(chunks.into(), job.reported.is_some())
}
