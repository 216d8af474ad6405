//! The decisions of the gate: each request has one. The access log, metrics, usage events and the key service's sums
//! use their names.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// A decision about a request.
    ///
    /// The status and message of a refusal are in [`crate::denial::Denial`]. Several denials can share a decision.
    ///
    /// ```
    /// use gmtech_core::decision::{Decision, Outcome};
    ///
    /// assert_eq!(Decision::named("key_revoked"), Some(Decision::KeyRevoked));
    /// assert_eq!(Decision::KeyRevoked.outcome(), Outcome::Refuses);
    /// ```
    pub enum Decision {
        /// Passed on to the upstream.
        Allowed = "allowed",
        /// Passed on, on a path that needs no key.
        Free = "free",
        /// `GET /limits`, answered by the gate.
        Limits = "limits",
        /// `GET /key` or `GET /usage`, answered by the key service through the gate.
        OwnAccount = "own_account",
        /// OPTIONS, answered by the gate.
        Preflight = "preflight",
        /// The client left before its request was decided, or Envoy refused its body.
        Incomplete = "incomplete",
        /// Not a request: an event that tells what an object of the provider's has used in the end.
        Settled = "settled",
        /// Not a request: an event that tells of an object that another object has named.
        Found = "found",
        /// No key, or none that is active.
        InvalidApiKey = "invalid_api_key",
        /// The key was revoked.
        KeyRevoked = "key_revoked",
        /// The key may not be used from the client's address.
        IpNotAuthorized = "ip_not_authorized",
        /// The key may not use the group of endpoints.
        EndpointNotAllowed = "endpoint_not_allowed",
        /// The key or its tier may not use the model.
        ModelNotFound = "model_not_found",
        /// The body is too large, can be read in two ways, or cannot be read.
        BadRequest = "bad_request",
        /// The limit of requests a minute is reached.
        RateLimitRequests = "rate_limit_requests",
        /// The limit of tokens a minute is reached.
        RateLimitTokens = "rate_limit_tokens",
        /// The limit of requests in flight is reached.
        RateLimitInFlight = "rate_limit_in_flight",
        /// The gate holds as many bytes of the key's bodies as it may.
        RateLimitBodies = "rate_limit_bodies",
        /// The team's credit or a budget of the key is spent.
        InsufficientQuota = "insufficient_quota",
        /// No such path, or an endpoint that the operator has not opened.
        UnknownUrl = "unknown_url",
        /// The team has made no such object.
        ObjectNotFound = "object_not_found",
        /// A list of what all teams have made.
        ListRefused = "list_refused",
        /// A method that no LLM API has.
        MethodNotAllowed = "method_not_allowed",
        /// WebSocket or another upgrade.
        UpgradeRefused = "upgrade_refused",
        /// The upstream's list of models cannot be read.
        UnreadableModels = "unreadable_models",
        /// The key service has not delivered the keys yet, or has been silent for too long.
        NotReady = "not_ready",
        /// The gate holds as many bytes of bodies as it may.
        Overloaded = "overloaded",
        /// The gate itself cannot decide.
        Unavailable = "unavailable",
    }
}

/// What a decision does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request is forwarded to the upstream.
    Admits,
    /// The gate refuses the request.
    Refuses,
    /// Neither: the gate answers the request itself, or it ends before a decision, or the event is not a request.
    Neither,
}

impl Decision {
    /// Whether the decision admits or refuses the request, or does neither.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Allowed | Self::Free => Outcome::Admits,
            Self::Limits
            | Self::OwnAccount
            | Self::Preflight
            | Self::Incomplete
            | Self::Settled
            | Self::Found => Outcome::Neither,
            _ => Outcome::Refuses,
        }
    }

    /// The text for Envoy's `%RESPONSE_CODE_DETAILS%` when the gate answers: `gmtech_` and the name.
    #[must_use]
    pub fn details(self) -> String {
        format!("gmtech_{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_name_their_decision() {
        for decision in Decision::ALL {
            assert_eq!(Decision::named(decision.name()), Some(decision));
            let is_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(decision.name().bytes().all(is_word), "{decision:?}");
            assert!(decision.meaning().ends_with('.'), "{decision:?}");
        }
        assert_eq!(Decision::named("a_reason_to_come"), None);
    }
}
