//! Which API a request calls, and what follows from it.

use percent_encoding::percent_decode;

use super::error::{BodyError, Param};
use crate::model::ModelId;

/// An API family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointKind {
    /// `POST chat/completions`
    ChatCompletions,
    /// `POST completions`
    Completions,
    /// `POST embeddings`, Gemini's `:embedContent` and `:batchEmbedContents`
    Embeddings,
    /// `POST responses`
    Responses,
    /// Anthropic's `POST messages`
    Messages,
    /// Gemini's `POST models/{m}:generateContent` and `:streamGenerateContent`
    GenerateContent,
    /// `POST images/generations`, `images/edits`, `images/variations`
    Images,
    /// `POST audio/speech`
    Speech,
    /// `POST audio/transcriptions`, `audio/translations`
    Transcriptions,
    /// `POST moderations`
    Moderations,
    /// `POST rerank`
    Rerank,
    /// Counting tokens without a model's answer: free at every provider.
    CountTokens,
    /// `GET models`
    Models,
    /// `GET models/{m}`
    Model,
    /// `GET realtime`, an upgrade
    Realtime,
    /// Anything else: files, batches, threads, what is not known yet.
    Other,
}

/// What the body is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// None; should bytes come, they are not looked at.
    None,
    /// A JSON object; a form is refused.
    Json,
    /// A multipart form, or JSON if its content type says so.
    Form,
    /// Unknown: JSON or a form by its content type, else not looked at; an empty one is fine.
    Any,
}

/// The API that a request calls, from its method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    kind: EndpointKind,
    model: Option<ModelId>,
    post: bool,
    streams: bool,
}

/// More segments than any API has.
const MAX_SEGMENTS: usize = 24;

impl Endpoint {
    /// Reads a method and a `:path`, with or without its query. What stands before the version (`/api/v1/`,
    /// `/v1/`, `/openai/deployments/{d}/`) does not matter; empty segments, letter case and percent-encoding
    /// are levelled, as lenient upstreams do, so that no spelling escapes its rules.
    ///
    /// # Errors
    /// [`BodyError::InvalidModel`] where a path names a model that is none, [`BodyError::Duplicate`] where a
    /// query names several.
    pub fn new(method: &[u8], path: &[u8]) -> Result<Self, BodyError> {
        let mut halves = path.splitn(2, |b| *b == b'?');
        let (path, query) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        );
        let segments: Vec<String> = path
            .split(|b| *b == b'/')
            .filter(|s| !s.is_empty())
            .take(MAX_SEGMENTS)
            .map(|s| percent_decode(s).decode_utf8_lossy().into_owned())
            .collect();
        let lower: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let get = method == b"GET" || method == b"HEAD";
        let mut endpoint = Self {
            kind: EndpointKind::Other,
            model: None,
            post: method == b"POST",
            streams: false,
        };

        let version = lower.iter().position(|s| is_version(s)).map(|i| i + 1);
        let azure = lower.iter().position(|s| *s == "openai").map(|i| i + 1);
        let deployments = azure.filter(|i| lower.get(*i) == Some(&"deployments"));
        let Some(start) = deployments.or(version) else {
            return Ok(endpoint);
        };
        let tail = lower.get(start..).unwrap_or_default();
        let tail = tail.strip_prefix(&["openai"]).unwrap_or(tail);
        let name = |from: usize| segments.get(from..).unwrap_or_default().join("/");
        let model = |name: &str| ModelId::new(name).map_err(|_| BodyError::InvalidModel);
        let end = segments.len();

        let tail = match tail {
            ["deployments", _, rest @ ..] => {
                endpoint.model = Some(model(
                    segments
                        .get(end - rest.len() - 1)
                        .map_or("", String::as_str),
                )?);
                rest
            }
            other => other,
        };
        endpoint.kind = match tail {
            [.., "models", call] if endpoint.post && call.contains(':') => {
                let last = name(end - 1);
                let (of, method) = last.rsplit_once(':').unwrap_or_default();
                endpoint.model = Some(model(of)?);
                endpoint.streams = method.eq_ignore_ascii_case("streamGenerateContent");
                gemini(&method.to_ascii_lowercase())
            }
            ["models"] if get => EndpointKind::Models,
            ["models", rest @ ..] if get => {
                endpoint.model = Some(model(&name(end - rest.len()))?);
                EndpointKind::Model
            }
            ["realtime"] if get => {
                endpoint.model = endpoint.model.or(model_of_query(query)?);
                EndpointKind::Realtime
            }
            tail if endpoint.post => openai(tail),
            _ => EndpointKind::Other,
        };
        Ok(endpoint)
    }

    /// The family.
    #[must_use]
    pub fn kind(&self) -> EndpointKind {
        self.kind
    }

    /// The model that the path (or, for realtime, the query) names.
    #[must_use]
    pub fn path_model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Whether the path asks for a stream, as Gemini's does.
    #[must_use]
    pub fn streams_by_path(&self) -> bool {
        self.streams
    }

    /// What the body is expected to be.
    #[must_use]
    pub fn body(&self) -> BodyForm {
        use EndpointKind as K;
        match self.kind {
            K::Models | K::Model | K::Realtime => BodyForm::None,
            K::Images | K::Transcriptions => BodyForm::Form,
            K::Other => BodyForm::Any,
            _ => BodyForm::Json,
        }
    }

    /// Whether tokens are charged. A POST to an unknown endpoint is, at the estimate of its JSON body: what
    /// reaches a model costs, whether the gate knows the way or not.
    #[must_use]
    pub fn charges_tokens(&self) -> bool {
        use EndpointKind as K;
        match self.kind {
            K::Moderations | K::CountTokens | K::Models | K::Model | K::Realtime => false,
            K::Other => self.post,
            _ => true,
        }
    }

    /// Whether a model must be named. Moderations and responses may leave it to the provider.
    #[must_use]
    pub fn requires_model(&self) -> bool {
        use EndpointKind as K;
        !matches!(
            self.kind,
            K::Moderations | K::Responses | K::CountTokens | K::Models | K::Other
        )
    }

    /// Whether `stream_options.include_usage` exists here.
    #[must_use]
    pub fn takes_include_usage(&self) -> bool {
        matches!(
            self.kind,
            EndpointKind::ChatCompletions | EndpointKind::Completions
        )
    }
}

fn is_version(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    bytes.next() == Some(b'v') && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

fn openai(tail: &[&str]) -> EndpointKind {
    match tail {
        ["chat", "completions"] => EndpointKind::ChatCompletions,
        ["completions"] => EndpointKind::Completions,
        ["embeddings"] => EndpointKind::Embeddings,
        ["responses"] => EndpointKind::Responses,
        ["messages"] => EndpointKind::Messages,
        ["images", "generations" | "edits" | "variations"] => EndpointKind::Images,
        ["audio", "speech"] => EndpointKind::Speech,
        ["audio", "transcriptions" | "translations"] => EndpointKind::Transcriptions,
        ["moderations"] => EndpointKind::Moderations,
        ["rerank"] => EndpointKind::Rerank,
        ["messages", "count_tokens"] | ["responses", "input_tokens"] => EndpointKind::CountTokens,
        _ => EndpointKind::Other,
    }
}

fn gemini(method: &str) -> EndpointKind {
    match method {
        "generatecontent" | "streamgeneratecontent" => EndpointKind::GenerateContent,
        "embedcontent" | "batchembedcontents" => EndpointKind::Embeddings,
        "counttokens" => EndpointKind::CountTokens,
        _ => EndpointKind::Other,
    }
}

fn model_of_query(query: &[u8]) -> Result<Option<ModelId>, BodyError> {
    let mut found = None;
    for pair in query.split(|b| *b == b'&') {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let (key, value) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        );
        if percent_decode(key).ne(b"model".iter().copied()) {
            continue;
        }
        if found.is_some() {
            return Err(BodyError::Duplicate(Param::Model));
        }
        let name = percent_decode(value).decode_utf8_lossy();
        found = Some(ModelId::new(&name).map_err(|_| BodyError::InvalidModel)?);
    }
    Ok(found)
}
