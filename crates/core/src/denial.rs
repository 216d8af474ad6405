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
mod told;
mod words;

pub use dialect::{Audience, Dialect};
pub use limit::LimitHit;

use headers::retry_headers;
use told::Told;

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

/// On a refusal by a limit: whose limit it is, by [`Scope::name`](crate::limiter::Scope::name).
const LIMIT_SCOPE: &str = "x-ratelimit-scope";

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
        /// The client's address; `None` where it has none.
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
            Self::NoSuchObject { .. } => {
                kind!(ObjectNotFound, 404, "invalid_request_error", "not_found", param "id")
            }
            Self::NoSuchReference(names) => Kind {
                param: Some(words::named_by(*names)),
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

    /// The decision that it is.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.kind().decision
    }

    /// When to try again, where the gate can say.
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

    /// The answer in full, for `audience`; `wall_millis` (milliseconds since the Unix epoch) is now.
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
            body: audience.body(&Told {
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
