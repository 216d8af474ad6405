//! `POST /v1/embeddings`: vectors that depend only on the text.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{model, number, required};
use crate::count::{Prompt, Tokens, text_of};
use crate::error::Failure;
use crate::job::{Ask, Job, Reply};

/// Numbers in a vector by default.
const DEFAULT_DIMENSIONS: u64 = 8;
/// The most numbers in a vector.
const MAX_DIMENSIONS: u64 = 4096;

/// Reads a request.
pub(crate) fn read(body: Value) -> Result<Ask, Failure> {
    let model = model(&body)?;
    let mut prompt = Prompt::default();
    for input in inputs(required(&body, "input")?) {
        prompt.text(&input);
        // A list of numbers is an input of token ids, one token each.
        prompt.bytes += 4 * input.as_array().map_or(0, |ids| {
            ids.iter().filter(|id| id.is_number()).count() as u64
        });
    }
    Ok(Ask {
        model,
        choices: 1,
        prompt,
        body,
        ..Ask::default()
    })
}

/// The inputs, each a text or a list of token ids.
fn inputs(given: &Value) -> Vec<Value> {
    match given.as_array() {
        Some(items) if !items.iter().all(Value::is_number) => items.clone(),
        _ => vec![given.clone()],
    }
}

/// The counts: an embedding has no output tokens.
pub(crate) fn count(job: &mut Job) {
    job.set_counts(Tokens {
        prompt: job.ask.prompt.tokens(),
        ..Tokens::default()
    });
}

/// The answer, as floats or as base64 of little-endian floats, by the request's `encoding_format`.
pub(crate) fn document(job: &Job) -> Reply {
    let body = &job.ask.body;
    let dimensions = number(body, "dimensions")
        .unwrap_or(DEFAULT_DIMENSIONS)
        .min(MAX_DIMENSIONS);
    let base64 = body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data: Vec<Value> = inputs(body.get("input").unwrap_or(&Value::Null))
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&text_of(input), dimensions);
            let embedding = if base64 {
                STANDARD
                    .encode(
                        vector
                            .iter()
                            .flat_map(|x| x.to_le_bytes())
                            .collect::<Vec<u8>>(),
                    )
                    .into()
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut answer = json!({"object": "list", "data": data, "model": job.ask.model});
    if let Some(tokens) = &job.reported {
        answer["usage"] = json!({"prompt_tokens": tokens.prompt, "total_tokens": tokens.total()});
    }
    Reply::Json(answer, job.reported.is_some())
}

/// Numbers in -1..1 from an FNV hash of the text and the position.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    (0..dimensions)
        .map(|i| {
            let seed = 0xcbf2_9ce4_8422_2325_u64 ^ i;
            let hash = text.bytes().fold(seed, |h, b| {
                (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            });
            let small = u16::try_from((hash >> 24) & 0x7fff).unwrap_or(0);
            f32::from(small) / 16_384.0 - 1.0
        })
        .collect()
}
