//! From a method and a path to an endpoint's kind and group.
//!
//! The open endpoints are matched exactly, method included; all else falls into a group by its first segments, and
//! what is left over into [`EndpointGroup::Other`]. So a spelling that is read in another way here
//! than at the upstream is refused rather than passed.

use percent_encoding::percent_decode;

use super::group::EndpointGroup;
use super::kind::EndpointKind;
use crate::objects::path::{Place, place};

/// More segments than any API has.
const MAX_SEGMENTS: usize = 24;

/// What a method does, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// GET and HEAD.
    Get,
    Post,
    Delete,
    /// PUT, PATCH and all else.
    Change,
}

impl Verb {
    pub(super) fn new(method: &[u8]) -> Self {
        match method {
            b"GET" | b"HEAD" => Self::Get,
            b"POST" => Self::Post,
            b"DELETE" => Self::Delete,
            _ => Self::Change,
        }
    }
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) kind: EndpointKind,
    pub(super) group: EndpointGroup,
    /// The model that the path names, as written.
    pub(super) model: Option<String>,
    /// Gemini's path asks for a stream.
    pub(super) streams: bool,
    /// It runs a model that the gate does not know of: [`EndpointKind::Other`] only.
    pub(super) runs_a_model: bool,
    /// What it runs is billed by the token.
    pub(super) bills_tokens: bool,
    /// What the path leads to, of what the provider keeps.
    pub(super) objects: Option<Place>,
}

impl Route {
    const fn new(kind: EndpointKind, group: EndpointGroup) -> Self {
        Self {
            kind,
            group,
            model: None,
            streams: false,
            runs_a_model: false,
            bills_tokens: true,
            objects: None,
        }
    }

    fn of(self, model: String) -> Self {
        let model = Some(model);
        Self { model, ..self }
    }

    /// The route of a path without its query.
    pub(super) fn find(verb: Verb, path: &[u8]) -> Self {
        let written: Vec<String> = path
            .split(|b| *b == b'/')
            .filter(|s| !s.is_empty())
            .take(MAX_SEGMENTS + 1)
            .map(|s| percent_decode(s).decode_utf8_lossy().into_owned())
            .collect();
        let lower: Vec<String> = written.iter().map(|s| s.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let route = if lower.len() > MAX_SEGMENTS {
            None
        } else {
            below(&lower).and_then(|start| {
                let (lower, written) = (lower.get(start..)?, written.get(start..)?);
                Some(root(verb, lower, written))
            })
        };
        let route = route.filter(|r| r.model.as_deref().is_none_or(is_plain));
        route.unwrap_or_else(|| other(verb, EndpointGroup::Other, &[]))
    }
}

/// Where the API begins: behind the first version, or at Azure's `openai/deployments` if that comes first; and behind
/// what else of the kind follows (`/v1/v1beta/`, `/v1beta/openai/`, `/openai/v1/`).
fn below(lower: &[&str]) -> Option<usize> {
    let version = lower.iter().position(|s| is_version(s));
    let azure = lower
        .windows(2)
        .position(|w| w == ["openai", "deployments"]);
    let first = match (version, azure) {
        (Some(version), Some(azure)) => version.min(azure),
        (version, azure) => version.or(azure)?,
    };
    let more = lower.iter().skip(first);
    let prefix = more.take_while(|s| is_version(s) || **s == "openai");
    Some(first.saturating_add(prefix.count()))
}

fn is_version(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    bytes.next() == Some(b'v') && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

/// Whether a name in a path is read alike by everyone: nothing that a second decoding or another splitting would turn
/// into other segments.
fn is_plain(name: &str) -> bool {
    let odd = |c: char| matches!(c, '%' | '\\' | ';' | '?' | '#');
    !name.contains(odd) && !name.split('/').any(|s| matches!(s, "" | "." | ".."))
}

/// Azure's deployments are models: in front of what generates.
fn root(verb: Verb, lower: &[&str], written: &[String]) -> Route {
    match (lower, written) {
        (["deployments", _, lower @ ..], [_, deployment, written @ ..]) => {
            match route(verb, lower, written) {
                // A deployment is a model; what is stored, or would be another model's, is not reached through one.
                route if route.model.is_none() && generates(route.kind) => {
                    route.of(deployment.clone())
                }
                _ => other(verb, EndpointGroup::Other, lower).of(deployment.clone()),
            }
        }
        _ => Route {
            objects: place(verb == Verb::Get, verb == Verb::Post, lower, written),
            ..route(verb, lower, written)
        },
    }
}

const fn generates(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    !matches!(kind, K::Other | K::Models | K::Model | K::Realtime)
}

fn route(verb: Verb, lower: &[&str], written: &[String]) -> Route {
    use EndpointGroup as G;
    use EndpointKind as K;
    let name = || written.get(1..).unwrap_or_default().join("/");
    match (verb, lower) {
        (Verb::Post, ["models", call]) => gemini(verb, G::GenerateContent, call, &name()),
        (Verb::Post, ["tunedmodels", call]) => {
            let route = gemini(verb, G::FineTuning, call, &name());
            let model = route.model.as_ref().map(|m| format!("tunedModels/{m}"));
            Route {
                group: G::FineTuning,
                model,
                ..route
            }
        }
        (
            _,
            [
                "projects",
                _,
                "locations",
                _,
                "publishers",
                _,
                "models",
                call,
            ],
        )
        | (_, ["publishers", _, "models", call])
            if verb == Verb::Post && call.contains(':') =>
        {
            let call_as_written = written.last().map_or("", String::as_str);
            gemini(verb, G::GenerateContent, call, call_as_written)
        }
        (Verb::Post, ["engines", _, tail @ ..]) => {
            let model = written.get(1).cloned().unwrap_or_default();
            let route = route(verb, tail, written.get(2..).unwrap_or_default());
            let route = match route {
                Route {
                    model: None, kind, ..
                } if generates(kind) => route,
                _ => other(verb, G::Engines, tail),
            };
            Route {
                group: G::Engines,
                ..route
            }
            .of(model)
        }
        (Verb::Get, ["models"]) => Route::new(K::Models, G::Models),
        (Verb::Get, ["models", _, tail @ ..]) if tail.contains(&"operations") => {
            other(verb, G::Videos, lower)
        }
        (Verb::Get, ["models", _, ..]) => Route::new(K::Model, G::Models).of(name()),
        (Verb::Get, ["engines"]) => Route::new(K::Models, G::Engines),
        (Verb::Get, ["engines", _, ..]) => Route::new(K::Model, G::Engines).of(name()),
        (Verb::Delete, ["models", _, ..]) => other(verb, G::ModelDeletion, lower),
        (Verb::Get, ["realtime"]) => Route::new(K::Realtime, G::Realtime),
        // The responses API over a WebSocket.
        (Verb::Get, ["responses"]) => Route::new(K::Realtime, G::Realtime),
        (Verb::Post, tail) => match known(tail) {
            Some((kind, group)) => Route {
                // Only DALL·E makes variations, and is billed by the image.
                bills_tokens: tail != ["images", "variations"],
                ..Route::new(kind, group)
            },
            None => other(verb, group_of(tail), tail),
        },
        (_, tail) => other(verb, group_of(tail), tail),
    }
}

/// The endpoints that the gate reads: all are POSTs and keep nothing.
fn known(tail: &[&str]) -> Option<(EndpointKind, EndpointGroup)> {
    use EndpointGroup as G;
    use EndpointKind as K;
    Some(match tail {
        ["chat", "completions"] => (K::ChatCompletions, G::ChatCompletions),
        ["completions"] => (K::Completions, G::Completions),
        ["embeddings"] => (K::Embeddings, G::Embeddings),
        ["responses"] | ["responses", "compact"] => (K::Responses, G::Responses),
        ["messages"] => (K::Messages, G::Messages),
        ["images", "generations" | "edits" | "variations"] => (K::Images, G::Images),
        ["audio", "speech"] => (K::Speech, G::Speech),
        ["audio", "transcriptions" | "translations"] => (K::Transcriptions, G::Transcriptions),
        ["moderations"] => (K::Moderations, G::Moderations),
        ["rerank"] => (K::Rerank, G::Rerank),
        ["messages", "count_tokens"] | ["responses", "input_tokens"] => {
            (K::CountTokens, G::CountTokens)
        }
        _ => return None,
    })
}

/// Gemini's `{model}:{method}`; the group is that of a method that generates.
fn gemini(verb: Verb, generating: EndpointGroup, call: &str, written: &str) -> Route {
    use EndpointGroup as G;
    use EndpointKind as K;
    let Some((_, method)) = call.rsplit_once(':') else {
        return other(verb, G::Other, &[]);
    };
    let model = written.rsplit_once(':').map_or("", |(model, _)| model);
    let route = match method {
        "generatecontent" => Route::new(K::GenerateContent, generating),
        "streamgeneratecontent" => Route {
            streams: true,
            ..Route::new(K::GenerateContent, generating)
        },
        "embedcontent" | "batchembedcontents" => Route::new(K::Embeddings, G::Embeddings),
        "counttokens" => Route::new(K::CountTokens, G::CountTokens),
        "batchgeneratecontent" | "asyncbatchembedcontent" => other(verb, G::Batches, &[]),
        "predictlongrunning" => other(verb, G::Videos, &[]),
        _ => other(verb, G::Other, &[]),
    };
    route.of(model.to_owned())
}

/// The group of what the gate knows no more of than its first segments.
fn group_of(tail: &[&str]) -> EndpointGroup {
    use EndpointGroup as G;
    match tail {
        ["messages", "batches", ..] | ["batches" | "embed-jobs" | "batch", ..] => G::Batches,
        ["responses", _, ..] => G::StoredResponses,
        ["chat", "completions", ..] => G::StoredCompletions,
        ["chat", "deferred-completion", ..] => G::Background,
        ["conversations", ..] => G::Conversations,
        ["files" | "generatedfiles", ..] => G::Files,
        [first, ..] if first.starts_with("files:") => G::Files,
        ["uploads", ..] => G::Uploads,
        [
            "fine_tuning" | "fine-tuning" | "fine-tunes" | "fine_tunes" | "finetuning"
            | "tunedmodels",
            ..,
        ] => G::FineTuning,
        ["vector_stores" | "filesearchstores" | "corpora", ..] => G::VectorStores,
        ["assistants" | "threads", ..] => G::Assistants,
        ["containers", ..] => G::Containers,
        ["evals", ..] => G::Evals,
        ["videos", ..] => G::Videos,
        ["realtime" | "realtimeapi", ..] => G::Realtime,
        ["engines", ..] => G::Engines,
        ["skills", ..] => G::Skills,
        [
            "agents" | "sessions" | "environments" | "vaults" | "memory_stores" | "user_profiles"
            | "chatkit",
            ..,
        ] => G::Agents,
        ["cachedcontents", ..] => G::CachedContents,
        ["audio", "voices" | "voice_consents", ..] | ["voices", ..] => G::Voices,
        // OpenAI's, Anthropic's, OpenRouter's, xAI's, Cohere's and LiteLLM's administration.
        [
            "organization" | "organizations" | "projects" | "dashboard" | "billing" | "usage"
            | "me" | "key" | "keys" | "api-key" | "check-api-key" | "auth" | "credits" | "activity"
            | "generation" | "user" | "users" | "team" | "model" | "model_group" | "spend"
            | "customer" | "budget" | "config" | "credentials" | "management",
            ..,
        ] => G::Organization,
        _ => G::Other,
    }
}

/// A path of which the gate knows the group only. `tail` is what follows the version.
fn other(verb: Verb, group: EndpointGroup, tail: &[&str]) -> Route {
    use EndpointGroup as G;
    let post = verb == Verb::Post;
    let writes = matches!(verb, Verb::Post | Verb::Change);
    let last = tail.last().copied().unwrap_or_default();
    let (runs_a_model, bills_tokens) = match group {
        G::Other | G::Engines | G::Agents | G::CachedContents => (writes, writes),
        G::Assistants if matches!(last, "runs" | "submit_tool_outputs") => (post, post),
        G::Assistants => (post && last == "assistants", false),
        G::Evals => (
            post && matches!(last, "evals" | "runs"),
            post && last == "runs",
        ),
        G::FineTuning => (
            post && matches!(last, "jobs" | "fine-tunes" | "run" | "validate"),
            post && last == "run",
        ),
        // Billed by the second, or by the minute of a connection.
        G::Videos => (post && last != "characters", false),
        G::Realtime => (
            post && !matches!(last, "hangup" | "refer" | "reject"),
            false,
        ),
        _ => (false, false),
    };
    Route {
        runs_a_model,
        bills_tokens,
        ..Route::new(EndpointKind::Other, group)
    }
}
