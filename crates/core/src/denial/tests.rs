use super::*;
use crate::ident::TeamId;
use crate::ledger::{InFlight, Standings};
use crate::quota::{Nanos, Standing};

const STANDINGS: Standings = Standings {
    requests: Standing {
        limit: 60,
        used: 60,
        remaining: 0,
        reset: 60 * SECOND,
    },
    tokens: Standing {
        limit: 40_000,
        used: 1_500,
        remaining: 38_500,
        reset: 2_250_000_000,
    },
    in_flight: Some(InFlight { limit: 5, used: 5 }),
};

fn hit(dimension: Dimension, exceeded: Exceeded, requested: u64) -> Denial {
    Denial::Limit(Box::new(LimitHit {
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        dimension,
        exceeded,
        requested,
        standings: STANDINGS,
    }))
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    reply
        .headers
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v.clone())
}

const WALL_MILLIS: u64 = 1_800_000_000_000;

fn reply(denial: &Denial, dialect: Dialect) -> Reply {
    let audience = Audience {
        dialect,
        request_id: Some("0f3c-9a".into()),
    };
    denial.reply(&audience, WALL_MILLIS)
}

#[test]
fn every_refusal_has_openais_shape() {
    let model = Denial::ModelNotAllowed {
        key: KeyId::new("key_1").unwrap(),
        model: ModelId::new("gpt-\"5").unwrap(),
    };
    let url = Denial::UnknownUrl {
        method: "GET".into(),
        path: "/x\n\u{fffd}".into(),
    };
    let closed = Denial::ClosedEndpoint {
        method: "DELETE".into(),
        path: "/v1/files/x".into(),
        group: EndpointGroup::Files,
    };
    let wait = Exceeded::Wait(SECOND);
    for (denial, status, error_type, param, code, details) in [
        (
            Denial::InvalidKey(InvalidKey::Missing),
            401,
            "invalid_request_error",
            None,
            "invalid_api_key",
            "gmtech_invalid_api_key",
        ),
        (
            Denial::KeyRevoked,
            403,
            "invalid_request_error",
            None,
            "key_revoked",
            "gmtech_key_revoked",
        ),
        (
            model,
            403,
            "invalid_request_error",
            Some("model"),
            "model_not_found",
            "gmtech_model_not_found",
        ),
        (
            hit(Dimension::Requests, wait, 1),
            429,
            "requests",
            None,
            "rate_limit_exceeded",
            "gmtech_rate_limit_requests",
        ),
        (
            hit(Dimension::Tokens, wait, 1),
            429,
            "tokens",
            None,
            "rate_limit_exceeded",
            "gmtech_rate_limit_tokens",
        ),
        (
            url,
            404,
            "invalid_request_error",
            None,
            "unknown_url",
            "gmtech_unknown_url",
        ),
        (
            closed,
            404,
            "invalid_request_error",
            None,
            "unknown_url",
            "gmtech_unknown_url",
        ),
        (
            hit(Dimension::InFlight, wait, 1),
            429,
            "requests",
            None,
            "rate_limit_exceeded",
            "gmtech_rate_limit_in_flight",
        ),
        (
            Denial::Body(BodyError::Duplicate(crate::request::Param::Stream)),
            400,
            "invalid_request_error",
            Some("stream"),
            "duplicate_parameter",
            "gmtech_bad_request",
        ),
        (
            Denial::Method {
                method: "TRACE".into(),
            },
            405,
            "invalid_request_error",
            None,
            "method_not_allowed",
            "gmtech_method_not_allowed",
        ),
        (
            Denial::Upgrade,
            400,
            "invalid_request_error",
            None,
            "upgrade_not_supported",
            "gmtech_upgrade_refused",
        ),
        (
            Denial::UnreadableModels,
            502,
            "server_error",
            None,
            "bad_gateway",
            "gmtech_unreadable_models",
        ),
        (
            Denial::Credit,
            429,
            "insufficient_quota",
            None,
            "insufficient_quota",
            "gmtech_insufficient_quota",
        ),
        (
            Denial::NotReady,
            503,
            "server_error",
            None,
            "gate_not_ready",
            "gmtech_not_ready",
        ),
        (
            Denial::Unavailable,
            503,
            "server_error",
            None,
            "gate_unavailable",
            "gmtech_unavailable",
        ),
    ] {
        let reply = reply(&denial, Dialect::OpenAi);
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.details, details);
        assert_eq!(reply.details, format!("gmtech_{}", denial.decision()));
        assert_eq!(header(&reply, "content-type").unwrap(), "application/json");
        assert_eq!(
            body,
            serde_json::json!({"error": {"message": denial.message(), "type": error_type, "param": param, "code": code}})
        );
        assert_eq!(header(&reply, "www-authenticate").is_some(), status == 401);
        let limits = reply
            .headers
            .iter()
            .filter(|(n, _)| n.starts_with("x-ratelimit-"))
            .count();
        let limited = matches!(denial, Denial::Limit(_));
        assert_eq!(limits, if limited { 6 } else { 0 });
    }
}

#[test]
fn a_limit_speaks_in_openais_words() {
    for (denial, message) in [
        (
            hit(Dimension::Requests, Exceeded::Wait(SECOND), 1),
            "Rate limit reached for key_1 in team acme on requests per min (RPM): Limit 60, Used 60, Requested 1. \
             Please try again in 1s. Rate limit exceeded: GET /v1/limits tells how the limits of this key stand.",
        ),
        (
            hit(Dimension::Tokens, Exceeded::Wait(9_816_000_000), 39_000),
            "Rate limit reached for key_1 in team acme on tokens per min (TPM): Limit 40000, Used 1500, Requested 39000. \
             Please try again in 9.816s. Rate limit exceeded: GET /v1/limits tells how the limits of this key stand.",
        ),
        (
            hit(Dimension::InFlight, Exceeded::Wait(SECOND), 1),
            "Rate limit reached for key_1 in team acme on concurrent requests: Limit 5, Used 5, Requested 1. \
             Please try again in 1s. Rate limit exceeded: GET /v1/limits tells how the limits of this key stand.",
        ),
        (
            hit(Dimension::Tokens, Exceeded::Never, 40_601),
            "Request too large for key_1 in team acme on tokens per min (TPM): Limit 40000, Requested 40601. The input \
             or output tokens must be reduced in order to run successfully. Rate limit exceeded: waiting does not help.",
        ),
    ] {
        assert_eq!(denial.message(), message);
    }
}

#[test]
fn a_closed_endpoint_names_the_setting_that_opens_it() {
    for (group, message) in [
        (
            EndpointGroup::Files,
            "Unknown request URL: DELETE /v1/x. Endpoints of the group 'files' are closed here; an operator opens \
             them with \"endpoints\": {\"files\": \"allow\"} in the gate's configuration.",
        ),
        (
            EndpointGroup::Other,
            "Unknown request URL: DELETE /v1/x. Check the URL for typos; the API's base URL ends in /v1. Endpoints of \
             the group 'other' are closed here; an operator opens them with \"endpoints\": {\"other\": \"allow\"} in \
             the gate's configuration.",
        ),
    ] {
        let (method, path) = ("DELETE".into(), "/v1/x".into());
        let denial = Denial::ClosedEndpoint {
            method,
            path,
            group,
        };
        assert_eq!(denial.message(), message);
    }
}

#[test]
fn sdks_are_told_to_wait_only_where_they_do_wait() {
    const MS: Nanos = 1_000_000;
    for (exceeded, after, after_ms, should_retry) in [
        (Exceeded::Wait(1), Some("1"), Some("1"), "true"),
        (Exceeded::Wait(250 * MS), Some("1"), Some("250"), "true"),
        (Exceeded::Wait(1_000 * MS), Some("1"), Some("1000"), "true"),
        (Exceeded::Wait(1_001 * MS), Some("2"), Some("1001"), "true"),
        (
            Exceeded::Wait(59_000 * MS),
            Some("59"),
            Some("59000"),
            "true",
        ),
        (
            Exceeded::Wait(59_999 * MS),
            Some("60"),
            Some("59999"),
            "true",
        ),
        (Exceeded::Wait(60_000 * MS), Some("60"), None, "false"),
        (Exceeded::Wait(900_000 * MS), Some("900"), None, "false"),
        (Exceeded::Never, None, None, "false"),
    ] {
        let reply = reply(&hit(Dimension::Requests, exceeded, 1), Dialect::OpenAi);
        assert_eq!(
            header(&reply, "retry-after").as_deref(),
            after,
            "{exceeded:?}"
        );
        assert_eq!(
            header(&reply, "retry-after-ms").as_deref(),
            after_ms,
            "{exceeded:?}"
        );
        assert_eq!(
            header(&reply, "x-should-retry").as_deref(),
            Some(should_retry),
            "{exceeded:?}"
        );
    }
}

#[test]
fn a_message_begins_with_openais_words_and_goes_on_with_ours() {
    let model = Denial::ModelNotAllowed {
        key: KeyId::new("key_1").unwrap(),
        model: ModelId::new("gpt-5").unwrap(),
    };
    for (denial, message) in [
        (
            Denial::InvalidKey(InvalidKey::Suspended),
            "Incorrect API key provided. Invalid API key: the key is not active: it is suspended. Its team can resume \
             it on the API keys page.",
        ),
        (
            Denial::InvalidKey(InvalidKey::Missing),
            "You didn't provide an API key. Invalid API key: no key was sent. Send it in the header 'Authorization: \
             Bearer gmtech_...' (the api_key of an OpenAI client).",
        ),
        (
            model,
            "The model `gpt-5` does not exist or you do not have access to it. Permission denied: key `key_1` does not \
             have access to model `gpt-5`.",
        ),
        (
            Denial::KeyRevoked,
            "Permission denied: this API key has been revoked. Create a new one at \
             https://app.gmtech.com/users/api-keys/.",
        ),
    ] {
        assert_eq!(denial.message(), message);
    }
}

#[test]
fn anthropics_clients_read_anthropics_errors() {
    let limit = hit(Dimension::Tokens, Exceeded::Wait(9_816_000_000), 39_000);
    for (denial, status, error_type, code) in [
        (
            Denial::InvalidKey(InvalidKey::Unknown),
            401,
            "authentication_error",
            "invalid_api_key",
        ),
        (Denial::KeyRevoked, 403, "permission_error", "key_revoked"),
        (limit, 429, "rate_limit_error", "rate_limit_exceeded"),
        (Denial::Credit, 429, "billing_error", "insufficient_quota"),
        (
            Denial::Body(BodyError::Empty),
            400,
            "invalid_request_error",
            "empty_body",
        ),
        (Denial::NotReady, 503, "overloaded_error", "gate_not_ready"),
    ] {
        let anthropic = reply(&denial, Dialect::Anthropic);
        let body: serde_json::Value = serde_json::from_str(&anthropic.body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "error",
                "error": {"type": error_type, "message": denial.message(), "details": {"error_code": code}},
                "request_id": "0f3c-9a",
            })
        );
        assert_eq!(anthropic.status, status);
        assert_eq!(header(&anthropic, "request-id").unwrap(), "0f3c-9a");
        let openai = reply(&denial, Dialect::OpenAi);
        for name in [
            "content-type",
            "www-authenticate",
            "retry-after",
            "retry-after-ms",
            "x-should-retry",
        ] {
            assert_eq!(header(&anthropic, name), header(&openai, name), "{name}");
        }
        assert_eq!(anthropic.details, openai.details);
        assert_eq!(header(&anthropic, "x-ratelimit-limit-tokens"), None);
    }
}

#[test]
fn geminis_clients_read_googles_errors() {
    const INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
    let retry = |delay| serde_json::json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
    let limit = hit(Dimension::Tokens, Exceeded::Wait(9_816_000_000), 39_000);
    let never = hit(Dimension::Tokens, Exceeded::Never, 90_000);
    for (denial, status, name, reason, delay) in [
        (
            Denial::InvalidKey(InvalidKey::Unknown),
            401,
            "UNAUTHENTICATED",
            "INVALID_API_KEY",
            None,
        ),
        (
            Denial::KeyRevoked,
            403,
            "PERMISSION_DENIED",
            "KEY_REVOKED",
            None,
        ),
        (
            limit,
            429,
            "RESOURCE_EXHAUSTED",
            "RATE_LIMIT_EXCEEDED",
            Some("9.816s"),
        ),
        (
            never,
            429,
            "RESOURCE_EXHAUSTED",
            "RATE_LIMIT_EXCEEDED",
            None,
        ),
        (
            Denial::Credit,
            429,
            "RESOURCE_EXHAUSTED",
            "INSUFFICIENT_QUOTA",
            None,
        ),
        (
            Denial::Body(BodyError::Empty),
            400,
            "INVALID_ARGUMENT",
            "EMPTY_BODY",
            None,
        ),
        (
            Denial::Unavailable,
            503,
            "UNAVAILABLE",
            "GATE_UNAVAILABLE",
            Some("1.000s"),
        ),
    ] {
        let gemini = reply(&denial, Dialect::Gemini);
        let body: serde_json::Value = serde_json::from_str(&gemini.body).unwrap();
        let mut details =
            vec![serde_json::json!({"@type": INFO, "reason": reason, "domain": "gmtech.com"})];
        details.extend(delay.map(retry));
        assert_eq!(
            body,
            serde_json::json!({"error": {
                "code": status,
                "message": denial.message(),
                "status": name,
                "details": details,
            }})
        );
        assert_eq!(gemini.status, status);
        assert_eq!(gemini.headers, reply(&denial, Dialect::OpenAi).headers);
    }
}

#[test]
fn the_six_headers_carry_limit_rest_and_time_to_full() {
    let shown = |dialect: Dialect| {
        let headers = dialect.limit_headers(&STANDINGS, WALL_MILLIS);
        headers.map(|(n, v)| format!("{n}: {v}"))
    };
    assert_eq!(
        shown(Dialect::Anthropic),
        [
            "anthropic-ratelimit-requests-limit: 60",
            "anthropic-ratelimit-requests-remaining: 0",
            "anthropic-ratelimit-requests-reset: 2027-01-15T08:01:00Z",
            "anthropic-ratelimit-tokens-limit: 40000",
            "anthropic-ratelimit-tokens-remaining: 38500",
            "anthropic-ratelimit-tokens-reset: 2027-01-15T08:00:03Z",
        ]
    );
    assert_eq!(shown(Dialect::Gemini), shown(Dialect::OpenAi));
    assert_eq!(
        shown(Dialect::OpenAi),
        [
            "x-ratelimit-limit-requests: 60",
            "x-ratelimit-limit-tokens: 40000",
            "x-ratelimit-remaining-requests: 0",
            "x-ratelimit-remaining-tokens: 38500",
            "x-ratelimit-reset-requests: 1m0s",
            "x-ratelimit-reset-tokens: 2.25s",
        ]
    );
}
