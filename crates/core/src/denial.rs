//! Every refusal of the gate: status, type, code, message and headers, in the shape that its client reads.
//!
//! The exception that an SDK raises depends on the status, and with some (LiteLLM) on words of OpenAI's in the
//! message; its text on `error.message`; and whether it tries again on `retry-after` and `x-should-retry`. So
//! these are exact: a message begins with OpenAI's own phrase, where there is one, and goes on with a fixed
//! sentence that names the fix, and never a byte of a credential.

mod anthropic;
mod dialect;
mod gemini;
mod headers;
mod limit;
mod openai;

pub use dialect::{Audience, Dialect};
pub use limit::LimitHit;

use dialect::Told;
use headers::retry_headers;

use crate::auth::{InvalidKey, Refused};
use crate::ident::{KeyId, TeamId};
use crate::ledger::Dimension;
use crate::model::ModelId;
use crate::objects;
use crate::quota::{Exceeded, SECOND};
use crate::request::{BodyError, EndpointGroup, Names};

/// The methods that pass.
pub const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const KEYS_PAGE: &str = "https://app.gmtech.com/users/api-keys/";

/// An answer that the gate gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the status, lower-case names and visible ASCII values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// For Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// 401: no active key.
    InvalidKey(InvalidKey),
    /// 403: the key was revoked.
    KeyRevoked,
    /// 403: the key or its tier may not use the model.
    ModelNotAllowed {
        /// The key.
        key: KeyId,
        /// The model asked for.
        model: ModelId,
    },
    /// 400, 413 or 415: a body that is too large, could be read in two ways, or not at all.
    Body(BodyError),
    /// 429: a limit of requests, tokens or requests in flight.
    Limit(Box<LimitHit>),
    /// 429: more of the key's bodies are on their way at once than may be held.
    BodiesOfKey {
        /// The key.
        key: KeyId,
        /// Its team.
        team: TeamId,
        /// What may be held of them, in bytes.
        limit: u64,
        /// What its other requests have.
        used: u64,
        /// What this one has or announces.
        requested: u64,
    },
    /// 429: the team's credit, or the key's budget, is spent.
    Credit,
    /// 404: a path that is not served.
    UnknownUrl {
        /// The method as sent.
        method: String,
        /// The path as sent, without query and keys.
        path: String,
    },
    /// 404: an endpoint of a group that the operator has not opened.
    ClosedEndpoint {
        /// The method as sent.
        method: String,
        /// The path as sent, without query and keys.
        path: String,
        /// The group that it belongs to.
        group: EndpointGroup,
    },
    /// 404: an object of the provider's that the team has not made, or nobody.
    NoSuchObject {
        /// What it would be.
        kind: objects::Kind,
        /// Its id as written in the path, without keys.
        id: String,
    },
    /// 400: a body that names such an object.
    NoSuchReference(Names),
    /// 404: a list of what all teams have made.
    ObjectList {
        /// The path as sent, without query and keys.
        path: String,
    },
    /// 405: a method that no LLM API has. TRACE would show the provider's key.
    Method {
        /// The method as sent.
        method: String,
    },
    /// 400: WebSocket and other upgrades are off.
    Upgrade,
    /// 502: the upstream's list of models, of which a part may be shown, cannot be read.
    UnreadableModels,
    /// 503: the key service has not said yet, or not for too long, which keys there are.
    NotReady,
    /// 503: as many bodies are held as may be, of all keys together; nothing was spent.
    Overloaded,
    /// 503: the gate itself cannot decide; nothing was spent.
    Unavailable,
}

impl From<Refused> for Denial {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(reason) => Self::InvalidKey(reason),
            Refused::Revoked => Self::KeyRevoked,
        }
    }
}

/// What a refusal is called in logs and metrics, and its fixed parts.
struct Kind {
    decision: &'static str,
    details: &'static str,
    status: u16,
    error_type: &'static str,
    code: &'static str,
    param: Option<&'static str>,
}

macro_rules! kind {
    ($decision:literal, $status:literal, $error_type:literal, $code:literal $(, param $param:literal)?) => {
        Kind {
            decision: $decision,
            details: concat!("gmtech_", $decision),
            status: $status,
            error_type: $error_type,
            code: $code,
            param: None$(.or(Some($param)))?,
        }
    };
}

impl Denial {
    fn kind(&self) -> Kind {
        match self {
            Self::InvalidKey(_) => {
                kind!(
                    "invalid_api_key",
                    401,
                    "invalid_request_error",
                    "invalid_api_key"
                )
            }
            Self::KeyRevoked => kind!("key_revoked", 403, "invalid_request_error", "key_revoked"),
            Self::ModelNotAllowed { .. } => {
                kind!("model_not_found", 403, "invalid_request_error", "model_not_found", param "model")
            }
            Self::Limit(hit) => match hit.dimension {
                Dimension::Requests => {
                    kind!(
                        "rate_limit_requests",
                        429,
                        "requests",
                        "rate_limit_exceeded"
                    )
                }
                Dimension::Tokens => {
                    kind!("rate_limit_tokens", 429, "tokens", "rate_limit_exceeded")
                }
                Dimension::InFlight => {
                    kind!(
                        "rate_limit_in_flight",
                        429,
                        "requests",
                        "rate_limit_exceeded"
                    )
                }
            },
            Self::BodiesOfKey { .. } => {
                kind!("rate_limit_bodies", 429, "requests", "rate_limit_exceeded")
            }
            Self::Body(error) => Kind {
                decision: "bad_request",
                details: "gmtech_bad_request",
                status: error.status(),
                error_type: error.kind(),
                code: error.code(),
                param: error.param(),
            },
            Self::UnknownUrl { .. } | Self::ClosedEndpoint { .. } => {
                kind!("unknown_url", 404, "invalid_request_error", "unknown_url")
            }
            Self::NoSuchObject { .. } => {
                kind!("object_not_found", 404, "invalid_request_error", "not_found", param "id")
            }
            Self::NoSuchReference(names) => Kind {
                param: Some(named_by(*names)),
                ..kind!(
                    "object_not_found",
                    400,
                    "invalid_request_error",
                    "not_found"
                )
            },
            Self::ObjectList { .. } => {
                kind!("list_refused", 404, "invalid_request_error", "unknown_url")
            }
            Self::Method { .. } => {
                kind!(
                    "method_not_allowed",
                    405,
                    "invalid_request_error",
                    "method_not_allowed"
                )
            }
            Self::Upgrade => {
                kind!(
                    "upgrade_refused",
                    400,
                    "invalid_request_error",
                    "upgrade_not_supported"
                )
            }
            Self::UnreadableModels => {
                kind!("unreadable_models", 502, "server_error", "bad_gateway")
            }
            Self::Credit => {
                kind!(
                    "insufficient_quota",
                    429,
                    "insufficient_quota",
                    "insufficient_quota"
                )
            }
            Self::NotReady => kind!("not_ready", 503, "server_error", "gate_not_ready"),
            Self::Overloaded => kind!("overloaded", 503, "server_error", "gate_overloaded"),
            Self::Unavailable => kind!("unavailable", 503, "server_error", "gate_unavailable"),
        }
    }

    /// The decision's name in logs and metrics.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        self.kind().decision
    }

    /// The sentence that the client sees.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::InvalidKey(reason) => {
                let openais = match reason {
                    InvalidKey::Missing => "You didn't provide an API key",
                    _ => "Incorrect API key provided",
                };
                format!("{openais}. Invalid API key: {reason}")
            }
            Self::KeyRevoked => format!(
                "Permission denied: this API key has been revoked. Create a new one at {KEYS_PAGE}."
            ),
            Self::ModelNotAllowed { key, model } => {
                format!(
                    "The model `{model}` does not exist or you do not have access to it. Permission denied: key \
                     `{key}` does not have access to model `{model}`."
                )
            }
            Self::Body(error) => error.to_string(),
            Self::Limit(hit) => hit.message(),
            Self::BodiesOfKey { key, team, limit, used, requested } => format!(
                "Rate limit reached for {key} in team {team} on bytes of request bodies on their way at once: Limit \
                 {limit}, Used {used}, Requested {requested}. Please try again in 1s. Rate limit exceeded: send fewer \
                 large requests at a time."
            ),
            Self::UnknownUrl { method, path } => format!(
                "Unknown request URL: {method} {path}. Check the URL for typos; the API's base URL ends in /v1."
            ),
            Self::ClosedEndpoint {
                method,
                path,
                group,
            } => closed(method, path, *group),
            Self::NoSuchObject { kind, id } => format!("{} {NOT_YOURS}", no_such(*kind, id)),
            Self::NoSuchReference(names) => format!(
                "The object in '{}' was not found. {NOT_YOURS}",
                named_by(*names)
            ),
            Self::ObjectList { path } => format!(
                "Unknown request URL: GET {path}. A list would show what other teams have made; ask for an object by its id."
            ),
            Self::Method { method } => {
                format!("Method {method} is not allowed. Use one of: {METHODS}.")
            }
            Self::Upgrade => "Upgrades such as WebSocket are not supported here. Use HTTP; answers can be streamed \
                with \"stream\": true."
                .into(),
            Self::UnreadableModels => {
                "The model provider sent a list of models that could not be read. Please try again.".into()
            }
            Self::Credit => "You exceeded your current quota, please check your plan and billing details: your \
                team's credit, or this key's budget, is used up."
                .into(),
            Self::NotReady => {
                "The key cannot be checked at the moment. Please try again shortly.".into()
            }
            Self::Overloaded => {
                "The gate is receiving as many request bodies as it can hold. Try again shortly.".into()
            }
            Self::Unavailable => {
                "The gate cannot check this request's limits at the moment. Try again shortly.".into()
            }
        }
    }

    /// When to try again, where the gate can say.
    fn wait(&self) -> Option<Exceeded> {
        match self {
            Self::Limit(hit) => Some(hit.exceeded),
            Self::Credit => Some(Exceeded::Never),
            Self::BodiesOfKey { .. } | Self::NotReady | Self::Overloaded | Self::Unavailable => {
                Some(Exceeded::Wait(SECOND))
            }
            _ => None,
        }
    }

    /// The answer in full, for `audience`; `wall_millis` (milliseconds since the Unix epoch) is now.
    #[must_use]
    pub fn reply(&self, audience: &Audience, wall_millis: u64) -> Reply {
        let kind = self.kind();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        match self {
            Self::InvalidKey(_) => headers.push(("www-authenticate", "Bearer".into())),
            Self::Limit(hit) => {
                headers.extend(audience.dialect.limit_headers(&hit.standings, wall_millis))
            }
            Self::Method { .. } => headers.push(("allow", METHODS.into())),
            _ => {}
        }
        headers.extend(self.wait().into_iter().flat_map(retry_headers));
        headers.extend(audience.headers());
        Reply {
            status: kind.status,
            headers,
            body: audience.body(&Told {
                kind: &kind,
                message: &self.message(),
                wait: self.wait(),
            }),
            details: kind.details,
        }
    }
}

/// What reaches an object: the same words whether it is another team's or nobody's.
const NOT_YOURS: &str = "It must have been made through this gate, by a key of your team.";

/// As OpenAI says it.
fn no_such(kind: objects::Kind, id: &str) -> String {
    match kind {
        objects::Kind::Response => format!("Response with id '{id}' not found."),
        objects::Kind::Completion => format!("Chat completion with id '{id}' not found."),
        objects::Kind::Batch => format!("No batch found with id '{id}'."),
        objects::Kind::File => format!("No such File object: {id}."),
        objects::Kind::Other => format!("No object found with id '{id}'."),
    }
}

const fn named_by(names: Names) -> &'static str {
    match names {
        Names::PreviousResponse => "previous_response_id",
        Names::Conversation => "conversation",
        Names::BatchInput => "input_file_id",
        Names::File => "file_id",
        Names::Other => "id",
    }
}

fn closed(method: &str, path: &str, group: EndpointGroup) -> String {
    let name = group.name();
    let setting = format!("\"endpoints\": {{\"{name}\": \"allow\"}} in the gate's configuration");
    let typos = if group == EndpointGroup::Other {
        " Check the URL for typos; the API's base URL ends in /v1."
    } else {
        ""
    };
    format!(
        "Unknown request URL: {method} {path}.{typos} Endpoints of the group '{name}' are closed here; an operator opens \
         them with {setting}."
    )
}

#[cfg(test)]
mod tests;
