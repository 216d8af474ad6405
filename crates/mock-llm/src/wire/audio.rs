//! `POST /v1/audio/transcriptions`. The multipart form is an object of its text fields here, with
//! `file_bytes` in place of the file.

use serde_json::{Value, json};

use super::{model, number, streaming};
use crate::count::Prompt;
use crate::error::Failure;
use crate::job::{Ask, Event, Job, Reply};

/// Bytes of a file that count as one audio token.
pub(crate) const BYTES_PER_AUDIO_TOKEN: u64 = 1000;
/// Bytes of a file that count as one second, if usage is a duration.
pub(crate) const BYTES_PER_SECOND: u64 = 16_000;

/// Reads a form.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let model = model(&body)?;
    let Some(file) = number(&body, "file_bytes") else {
        return Err(Failure::invalid(
            "Missing required parameter: 'file'.",
            Some("file"),
        ));
    };
    let mut prompt = Prompt::default();
    prompt.text(body.get("prompt").unwrap_or(&Value::Null));
    let text_tokens = prompt.tokens();
    // The rule counts four bytes as a token.
    prompt = Prompt {
        bytes: 4 * (text_tokens + file.div_ceil(BYTES_PER_AUDIO_TOKEN)),
        messages: 0,
    };
    let (stream, ..) = streaming(&body);
    Ok(Ask {
        model,
        stream,
        choices: 1,
        prompt,
        echo: "This is what was said.".into(),
        body,
        ..Ask::default()
    })
}

/// whisper-1 states a duration and does not stream; the newer models state tokens.
fn usage(job: &Job) -> Option<Value> {
    let tokens = job.reported?;
    if job.ask.model == "whisper-1" {
        let file = number(&job.ask.body, "file_bytes").unwrap_or(0);
        return Some(json!({"type": "duration", "seconds": file.div_ceil(BYTES_PER_SECOND)}));
    }
    let text = job
        .ask
        .body
        .get("prompt")
        .and_then(Value::as_str)
        .map_or(0, |p| (p.len() as u64).div_ceil(4));
    Some(json!({
        "type": "tokens",
        "input_tokens": tokens.prompt,
        "input_token_details": {"text_tokens": text, "audio_tokens": tokens.prompt.saturating_sub(text)},
        "output_tokens": tokens.completion,
        "total_tokens": tokens.total(),
    }))
}

/// The answer: a document, events, or plain text if the form's `response_format` says so.
pub(crate) fn reply(job: &Job) -> Reply {
    if job.ask.body.get("response_format").and_then(Value::as_str) == Some("text") {
        return Reply::Text(format!("{}\n", job.text()));
    }
    let usage = usage(job);
    if !job.streams() || job.ask.model == "whisper-1" {
        let mut answer = json!({"text": job.text()});
        let stated = usage.is_some();
        if let Some(usage) = usage {
            answer["usage"] = usage;
        }
        return Reply::Json(answer, stated && job.ask.model != "whisper-1");
    }
    let mut events: Vec<Event> = job
        .words
        .deltas()
        .map(|delta| {
            let data = json!({"type": "transcript.text.delta", "delta": delta, "logprobs": []});
            Event::data(data).tokens(1)
        })
        .collect();
    let mut done = json!({"type": "transcript.text.done", "text": job.text(), "logprobs": []});
    if let Some(usage) = usage {
        done["usage"] = usage;
    }
    events.push(Event::data(done).usage(job.reported));
    Reply::Events(events)
}
