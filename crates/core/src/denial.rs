//! Every refusal of the gate: status, type, code, message and headers, in the form that the client's SDK reads.
//!
//! An SDK chooses its exception by the status; some (LiteLLM) also look for OpenAI's words in the message. It shows
//! `error.message`, and decides by `retry-after` and `x-should-retry` whether to try again. So these are exact: a
//! message begins with OpenAI's own phrase, if there is one, and continues with a fixed sentence that names the fix. It
//! never contains a byte of a credential.

mod anthropic;
mod dialect;
mod error_parts;
mod gemini;
mod headers;
mod limit;
mod messages;
mod openai;

pub use dialect::{Audience, Dialect};
pub use limit::LimitHit;

use error_parts::ErrorParts;
use headers::retry_headers;

use std::net::IpAddr;

use crate::auth::{InvalidKey, Refused};
use crate::decision::Decision;
use crate::ident::{KeyId, TeamId};
use crate::limiter::Dimension;
use crate::limiter::gcra::Exceeded;
use crate::model::ModelId;
use crate::objects;
use crate::request::{BodyError, EndpointGroup, Names};
use crate::time::SECOND;

/// The methods that pass.
pub const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The header that names the scope of a limit that refused, by [`Scope::name`](crate::limiter::Scope::name).
const LIMIT_SCOPE: &str = "x-ratelimit-scope";

const KEYS_PAGE: &str = "https://app.gmtech.com/users/api-keys/";

/// An answer of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The headers, with lower-case names and visible ASCII values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// For Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// 401: no active key.
    InvalidKey(InvalidKey),
    /// 403: the key was revoked.
    KeyRevoked,
    /// 401: the key may not be used from the client's address. Status and code are OpenAI's for its own lists
    /// (<https://developers.openai.com/api/docs/guides/ip-allowlist>).
    AddressNotAllowed {
        /// The key.
        key: KeyId,
        /// The client's address; `None` if it has none.
        address: Option<IpAddr>,
    },
    /// 403: the key may not use endpoints of the group.
    EndpointNotAllowed {
        /// The key.
        key: KeyId,
        /// The group that was called.
        group: EndpointGroup,
    },
    /// 403: the key or its tier may not use the model.
    ModelNotAllowed {
        /// The key.
        key: KeyId,
        /// The model asked for.
        model: ModelId,
    },
    /// 400, 413 or 415: a body that is too large, ambiguous or unreadable.
    Body(BodyError),
    /// 429: a limit of requests, tokens or requests in flight.
    Limit(Box<LimitHit>),
    /// 429: the key's request bodies together exceed the bound of what may be held.
    BodiesOfKey {
        /// The key.
        key: KeyId,
        /// Its team.
        team: TeamId,
        /// The bound, in bytes.
        limit: u64,
        /// Bytes of the key's other requests.
        used: u64,
        /// Bytes of this request: received or announced, whichever is more.
        requested: u64,
    },
    /// 429: the team's credit, or the key's budget, is spent.
    Credit,
    /// 429: the key's budget for the model is spent.
    ModelBudget {
        /// The key.
        key: KeyId,
        /// The model asked for.
        model: ModelId,
    },
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
    /// 404: a provider's object that was made by another team, or does not exist.
    NoSuchObject {
        /// The kind of object, by its path.
        kind: objects::Kind,
        /// Its id as written in the path, without keys.
        id: String,
    },
    /// 400: a body that names an object of another team, or one that does not exist.
    NoSuchReference(Names),
    /// 404: a list of the objects of all teams.
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
    /// 502: the upstream's list of models must be filtered and cannot be read.
    UnreadableModels,
    /// 404: the key service does not know the key, or there is none: nobody keeps an account of the key.
    NoKeyService,
    /// 503: the key service has not delivered the keys yet, or has been silent for too long.
    NotReady,
    /// 503: the bodies of all keys together reach the bound; nothing was spent.
    Overloaded,
    /// 503: the gate cannot decide because its host or store failed; nothing was spent.
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

/// A refusal's decision and its fixed parts.
struct Kind {
    decision: Decision,
    status: u16,
    error_type: &'static str,
    code: &'static str,
    param: Option<&'static str>,
}

macro_rules! kind {
    ($decision:ident, $status:literal, $error_type:literal, $code:literal $(, param $param:literal)?) => {
        Kind {
            decision: Decision::$decision,
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
                    InvalidApiKey,
                    401,
                    "invalid_request_error",
                    "invalid_api_key"
                )
            }
            Self::KeyRevoked => kind!(KeyRevoked, 403, "invalid_request_error", "key_revoked"),
            Self::AddressNotAllowed { .. } => {
                kind!(
                    IpNotAuthorized,
                    401,
                    "invalid_request_error",
                    "ip_not_authorized"
                )
            }
            Self::EndpointNotAllowed { .. } => {
                kind!(
                    EndpointNotAllowed,
                    403,
                    "invalid_request_error",
                    "permission_denied"
                )
            }
            Self::ModelNotAllowed { .. } => {
                kind!(ModelNotFound, 403, "invalid_request_error", "model_not_found", param "model")
            }
            Self::Limit(hit) => match hit.dimension() {
                Dimension::Requests => {
                    kind!(RateLimitRequests, 429, "requests", "rate_limit_exceeded")
                }
                Dimension::Tokens => {
                    kind!(RateLimitTokens, 429, "tokens", "rate_limit_exceeded")
                }
                Dimension::InFlight => {
                    kind!(RateLimitInFlight, 429, "requests", "rate_limit_exceeded")
                }
            },
            Self::BodiesOfKey { .. } => {
                kind!(RateLimitBodies, 429, "requests", "rate_limit_exceeded")
            }
            Self::Body(error) => Kind {
                decision: Decision::BadRequest,
                status: error.status(),
                error_type: error.kind(),
                code: error.code(),
                param: error.param(),
            },
            Self::UnknownUrl { .. } | Self::ClosedEndpoint { .. } => {
                kind!(UnknownUrl, 404, "invalid_request_error", "unknown_url")
            }
            Self::NoKeyService => {
                kind!(UnknownUrl, 404, "invalid_request_error", "no_key_service")
            }
            Self::NoSuchObject { .. } => {
                kind!(ObjectNotFound, 404, "invalid_request_error", "not_found", param "id")
            }
            Self::NoSuchReference(names) => Kind {
                param: Some(messages::named_by(*names)),
                ..kind!(ObjectNotFound, 400, "invalid_request_error", "not_found")
            },
            Self::ObjectList { .. } => {
                kind!(ListRefused, 404, "invalid_request_error", "unknown_url")
            }
            Self::Method { .. } => {
                kind!(
                    MethodNotAllowed,
                    405,
                    "invalid_request_error",
                    "method_not_allowed"
                )
            }
            Self::Upgrade => {
                kind!(
                    UpgradeRefused,
                    400,
                    "invalid_request_error",
                    "upgrade_not_supported"
                )
            }
            Self::UnreadableModels => {
                kind!(UnreadableModels, 502, "server_error", "bad_gateway")
            }
            Self::Credit | Self::ModelBudget { .. } => {
                kind!(
                    InsufficientQuota,
                    429,
                    "insufficient_quota",
                    "insufficient_quota"
                )
            }
            Self::NotReady => kind!(NotReady, 503, "server_error", "gate_not_ready"),
            Self::Overloaded => kind!(Overloaded, 503, "server_error", "gate_overloaded"),
            Self::Unavailable => kind!(Unavailable, 503, "server_error", "gate_unavailable"),
        }
    }

    /// The decision that the denial belongs to.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.kind().decision
    }

    /// When to try again, if that is known.
    fn wait(&self) -> Option<Exceeded> {
        match self {
            Self::Limit(hit) => Some(hit.refusal.exceeded),
            Self::Credit | Self::ModelBudget { .. } => Some(Exceeded::Never),
            Self::BodiesOfKey { .. } | Self::NotReady | Self::Overloaded | Self::Unavailable => {
                Some(Exceeded::Wait(SECOND))
            }
            _ => None,
        }
    }

    /// Writes the whole answer for `audience`. `wall_millis` is the time in milliseconds since the Unix epoch.
    #[must_use]
    pub fn reply(&self, audience: &Audience, wall_millis: u64) -> Reply {
        let kind = self.kind();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        match self {
            Self::InvalidKey(_) | Self::AddressNotAllowed { .. } => {
                headers.push(("www-authenticate", "Bearer".into()));
            }
            Self::Limit(hit) => {
                let snapshot = &hit.refusal.snapshot;
                headers.extend(audience.dialect.limit_headers(snapshot, wall_millis));
                headers.push((LIMIT_SCOPE, hit.scope().name().into()));
            }
            Self::Method { .. } => headers.push(("allow", METHODS.into())),
            _ => {}
        }
        headers.extend(self.wait().into_iter().flat_map(retry_headers));
        headers.extend(audience.headers());
        Reply {
            status: kind.status,
            headers,
            body: audience.body(&ErrorParts {
                kind: &kind,
                message: &self.message(),
                wait: self.wait(),
            }),
            details: match self {
                Self::Limit(hit) => hit.details(kind.decision),
                _ => kind.decision.details(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
