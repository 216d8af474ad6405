//! Refusals in each dialect.

use super::*;

#[test]
fn a_message_begins_with_openais_words_and_continues_with_ours() {
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
fn the_six_headers_carry_limit_remainder_and_time_to_full() {
    let shown = |dialect: Dialect| {
        let headers = dialect.limit_headers(&SNAPSHOT, WALL_MILLIS);
        headers
            .into_iter()
            .map(|(n, v)| format!("{n}: {v}"))
            .collect::<Vec<_>>()
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
            "x-ratelimit-remaining-requests: 0",
            "x-ratelimit-reset-requests: 1m0s",
            "x-ratelimit-limit-tokens: 40000",
            "x-ratelimit-remaining-tokens: 38500",
            "x-ratelimit-reset-tokens: 2.25s",
        ]
    );
}
