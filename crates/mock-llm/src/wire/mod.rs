//! The APIs that the mock implements, one in each file. Each reads a request's body into an `Ask` and turns a `Job`
//! into that API's documents and events. HTTP and the directives about writing are handled elsewhere.

use axum::http::Method;
use serde_json::Value;

use crate::error::Failure;
use crate::family::Family;
use crate::job::{Ask, Event, Job, Reply};

pub(crate) mod audio;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod gemini;
pub(crate) mod images;
pub(crate) mod kept;
pub(crate) mod messages;
pub(crate) mod models;
pub(crate) mod moderations;
pub(crate) mod responses;

/// An endpoint, with the parameters of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Models,
    Model(String),
    Moderations,
    Transcriptions,
    Images,
    Messages,
    Gemini { model: String, stream: bool },
    Kept(kept::Call),
}

impl Endpoint {
    /// The endpoint of a path (without its query).
    ///
    /// # Errors
    /// 404 for an unknown path, 405 for a method that the endpoint does not accept.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, Failure> {
        let unknown = || Failure::unknown_url(method, path);
        let path_in = path.strip_prefix("/api").unwrap_or(path);
        let endpoint = if let Some(call) = path_in.strip_prefix("/v1beta/models/") {
            let (model, verb) = call.rsplit_once(':').ok_or_else(unknown)?;
            let stream = match verb {
                "generateContent" => false,
                "streamGenerateContent" => true,
                _ => return Err(unknown()),
            };
            Self::Gemini {
                model: percent_decode(model),
                stream,
            }
        } else {
            let below = path_in.strip_prefix("/v1/").ok_or_else(unknown)?;
            if let Some(call) = kept::Call::find(method, below) {
                return Ok(Self::Kept(call));
            }
            match below {
                "chat/completions" => Self::Chat,
                "completions" => Self::Completions,
                "embeddings" => Self::Embeddings,
                "responses" => Self::Responses,
                "models" => Self::Models,
                "moderations" => Self::Moderations,
                "audio/transcriptions" => Self::Transcriptions,
                "images/generations" => Self::Images,
                "messages" => Self::Messages,
                other => match other.strip_prefix("models/") {
                    Some(id) if !id.is_empty() => Self::Model(percent_decode(id)),
                    _ => return Err(unknown()),
                },
            }
        };
        let wants = match endpoint {
            Self::Models | Self::Model(_) => Method::GET,
            _ => Method::POST,
        };
        if *method == wants {
            Ok(endpoint)
        } else {
            Err(Failure::method(method, path))
        }
    }

    /// The API family, which sets the shape of its errors.
    pub(crate) fn family(&self) -> Family {
        match self {
            Self::Messages => Family::Anthropic,
            Self::Gemini { .. } => Family::Gemini,
            _ => Family::OpenAi,
        }
    }

    /// The model in the path.
    pub(crate) fn path_model(&self) -> Option<&str> {
        match self {
            Self::Gemini { model, .. } | Self::Model(model) => Some(model),
            _ => None,
        }
    }

    /// Reads a body, whose model has already been split from its directives.
    ///
    /// # Errors
    /// 400 if the API would refuse the body.
    pub(crate) fn read(&self, body: Value) -> Result<Ask, Failure> {
        match self {
            Self::Chat => chat::read(body),
            Self::Completions => completions::read(body),
            Self::Embeddings => embeddings::read(body),
            Self::Responses => responses::read(body),
            Self::Moderations => moderations::read(body),
            Self::Transcriptions => audio::read(body),
            Self::Images => images::read(body),
            Self::Messages => messages::read(body),
            Self::Gemini { stream, .. } => gemini::read(body, *stream),
            Self::Models | Self::Model(_) | Self::Kept(_) => Ok(Ask::default()),
        }
    }

    /// The counts of an endpoint that does not answer in words.
    pub(crate) fn count(&self, job: &mut Job) {
        match self {
            Self::Embeddings => embeddings::count(job),
            Self::Moderations | Self::Models | Self::Model(_) | Self::Kept(_) => {
                job.set_counts(crate::count::Tokens::default())
            }
            Self::Images => images::count(job),
            Self::Messages => messages::count(job),
            _ => {}
        }
    }

    /// Builds the answer. `query` is the request's query, `models` are the listed models.
    ///
    /// # Errors
    /// 404 if a single model is looked up and not listed.
    pub(crate) fn reply(
        &self,
        job: &Job,
        query: &str,
        models: &[String],
    ) -> Result<Reply, Failure> {
        Ok(match self {
            Self::Chat if job.streams() => Reply::Events(chat::events(job)),
            Self::Chat => chat::document(job),
            Self::Completions if job.streams() => Reply::Events(completions::events(job)),
            Self::Completions => completions::document(job),
            Self::Responses if job.streams() => Reply::Events(responses::events(job)),
            Self::Responses => responses::document(job),
            Self::Messages if job.streams() => Reply::Events(messages::events(job)),
            Self::Messages => messages::document(job),
            Self::Gemini { .. } if job.streams() && query.split('&').any(|p| p == "alt=sse") => {
                Reply::Events(gemini::events(job))
            }
            Self::Gemini { .. } if job.streams() => gemini::list(job),
            Self::Gemini { .. } => gemini::document(job),
            Self::Transcriptions => audio::reply(job),
            Self::Embeddings => embeddings::document(job),
            Self::Moderations => moderations::document(job),
            Self::Images => images::document(job),
            Self::Models => models::list(models),
            Self::Model(id) => models::one(models, id)?,
            Self::Kept(_) => Reply::Accepted,
        })
    }

    /// The event that reports an error within a stream.
    pub(crate) fn error_event(&self, job: &Job, position: usize) -> Event {
        match self {
            Self::Messages => messages::error_event(),
            Self::Gemini { .. } => Event::data(Failure::server(500).body(Family::Gemini)),
            Self::Responses => responses::failed(job, position),
            _ => Event::data(Failure::server(500).body(Family::OpenAi)),
        }
    }
}

/// Decodes `%41` to `A`. Bytes that are not UTF-8 afterwards are replaced.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        let hex = |b: u8| char::from(b).to_digit(16);
        let mut ahead = rest.clone();
        match (b, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(b),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A body's field as a whole number; `None` if it is none.
pub(crate) fn number(body: &Value, field: &str) -> Option<u64> {
    body.get(field).and_then(Value::as_u64)
}

/// The number of answers requested.
///
/// # Errors
/// 400 for anything but 1 to 128, as at OpenAI.
pub(crate) fn choices(body: &Value, field: &'static str) -> Result<u64, Failure> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(1),
        Some(n) => n.as_u64().filter(|n| (1..=128).contains(n)).ok_or_else(|| {
            Failure::invalid(
                &format!("Invalid '{field}': expected an integer from 1 to 128."),
                Some(field),
            )
        }),
    }
}

/// The smallest cap that is set.
pub(crate) fn smallest(body: &Value, fields: &[&str]) -> Option<u64> {
    fields.iter().filter_map(|field| number(body, field)).min()
}

/// The model of a body.
///
/// # Errors
/// 400 if it is missing, empty or not a string.
pub(crate) fn model(body: &Value) -> Result<String, Failure> {
    match body.get("model").and_then(Value::as_str) {
        Some(model) if !model.is_empty() => Ok(model.to_owned()),
        _ => Err(Failure::invalid(
            "you must provide a model parameter",
            Some("model"),
        )),
    }
}

/// A required field.
///
/// # Errors
/// 400 that names the field if it is missing.
pub(crate) fn required<'a>(body: &'a Value, field: &'static str) -> Result<&'a Value, Failure> {
    match body.get(field) {
        Some(value) if !value.is_null() => Ok(value),
        _ => Err(Failure::invalid(
            &format!("Missing required parameter: '{field}'."),
            Some(field),
        )),
    }
}

/// The flags (`stream`, `include_usage`, `continuous_usage_stats`).
pub(crate) fn streaming(body: &Value) -> (bool, bool, bool) {
    let truth = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
    let options = body.get("stream_options");
    let option = |name: &str| truth(options.and_then(|o| o.get(name)));
    (
        truth(body.get("stream")),
        option("include_usage"),
        option("continuous_usage_stats"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_endpoint() {
        for (method, path, found) in [
            (Method::POST, "/v1/chat/completions", Some(Endpoint::Chat)),
            (
                Method::POST,
                "/api/v1/chat/completions",
                Some(Endpoint::Chat),
            ),
            (
                Method::GET,
                "/v1/chat/completions",
                Some(Endpoint::Kept(kept::Call::List)),
            ),
            (
                Method::POST,
                "/v1/responses/r/cancel",
                Some(Endpoint::Kept(kept::Call::Cancel("r".into()))),
            ),
            (Method::PUT, "/v1/files/f", None),
            (Method::GET, "/api/v1/models", Some(Endpoint::Models)),
            (
                Method::GET,
                "/v1/models/meta%2Fllama%20",
                Some(Endpoint::Model("meta/llama ".into())),
            ),
            (
                Method::GET,
                "/v1/models/100%",
                Some(Endpoint::Model("100%".into())),
            ),
            (Method::GET, "/v1/models/", None),
            (Method::POST, "/v2/chat/completions", None),
            (
                Method::POST,
                "/v1beta/models/gemini-2.5-flash:generateContent",
                Some(Endpoint::Gemini {
                    model: "gemini-2.5-flash".into(),
                    stream: false,
                }),
            ),
            (
                Method::POST,
                "/v1beta/models/gemini-2.5-flash:countTokens",
                None,
            ),
        ] {
            assert_eq!(Endpoint::find(&method, path).ok(), found, "{method} {path}");
        }
    }
}
