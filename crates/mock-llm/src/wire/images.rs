//! `POST /v1/images/generations`: one black pixel, with the tokens of a GPT image model at low quality.

use serde_json::{Value, json};

use super::{choices, required};
use crate::count::{Prompt, Tokens};
use crate::error::Failure;
use crate::job::{Ask, CREATED, Job, Reply};

/// Output tokens of one image.
pub(crate) const TOKENS_PER_IMAGE: u64 = 272;

const DEFAULT_MODEL: &str = "dall-e-2";
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// Reads a request.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let mut prompt = Prompt::default();
    prompt.text(required(&body, "prompt")?);
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or(DEFAULT_MODEL)
        .to_owned();
    Ok(Ask {
        model,
        choices: choices(&body, "n")?,
        prompt,
        body,
        ..Ask::default()
    })
}

/// GPT image models count tokens. Older models are priced by the image and state no usage.
pub(crate) fn count(job: &mut Job) {
    if job.ask.model.starts_with("dall-e") {
        job.set_counts(Tokens::default());
        job.reported = None;
    } else {
        let completion = TOKENS_PER_IMAGE * job.ask.choices;
        job.set_counts(Tokens {
            prompt: job.ask.prompt.tokens(),
            completion,
            ..Tokens::default()
        });
    }
}

/// The answer.
pub(crate) fn document(job: &Job) -> Reply {
    let data: Vec<Value> = job.choices().map(|_| json!({"b64_json": PIXEL})).collect();
    let mut answer = json!({"created": CREATED, "data": data});
    if let Some(tokens) = &job.reported {
        answer["usage"] = json!({
            "input_tokens": tokens.prompt,
            "output_tokens": tokens.completion,
            "total_tokens": tokens.total(),
            "input_tokens_details": {"text_tokens": tokens.prompt, "image_tokens": 0},
        });
    }
    Reply::Json(answer, job.reported.is_some())
}
