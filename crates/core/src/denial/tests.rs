use super::*;
use crate::decision::Outcome;
use crate::ident::TeamId;
use crate::limiter::gcra::Standing;
use crate::limiter::{Cell, CellStanding, InFlight, LimitSnapshot, Refusal, Scope};
use crate::time::Nanos;

mod dialects;

const SNAPSHOT: LimitSnapshot = LimitSnapshot {
    requests: Some(Standing {
        limit: 60,
        used: 60,
        remaining: 0,
        reset: 60 * SECOND,
    }),
    tokens: Some(Standing {
        limit: 40_000,
        used: 1_500,
        remaining: 38_500,
        reset: 2_250_000_000,
    }),
    in_flight: Some(InFlight { limit: 5, used: 5 }),
};

fn hit(dimension: Dimension, exceeded: Exceeded, requested: u64) -> Denial {
    hit_of((Scope::Key, "key_1"), dimension, exceeded, requested)
}

fn hit_of(
    (scope, id): (Scope, &str),
    dimension: Dimension,
    exceeded: Exceeded,
    requested: u64,
) -> Denial {
    let (limit, used) = match dimension {
        Dimension::Requests => (60, 60),
        Dimension::Tokens => (40_000, 1_500),
        Dimension::InFlight => (5, 5),
    };
    let id = id.to_owned();
    Denial::Limit(Box::new(LimitHit {
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        refusal: Refusal {
            standing: CellStanding {
                cell: Cell {
                    scope,
                    id,
                    dimension,
                    limit,
                },
                used,
                remaining: 0,
                reset: None,
            },
            exceeded,
            requested,
            snapshot: SNAPSHOT,
        },
    }))
}

fn bodies() -> Denial {
    Denial::BodiesOfKey {
        key: KeyId::new("key_1").unwrap(),
        team: TeamId::new("acme").unwrap(),
        limit: 1_000,
        used: 900,
        requested: 200,
    }
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
    let address = Denial::AddressNotAllowed {
        key: KeyId::new("key_1").unwrap(),
        address: Some("203.0.113.7".parse().unwrap()),
    };
    let endpoint = Denial::EndpointNotAllowed {
        key: KeyId::new("key_1").unwrap(),
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
            address,
            401,
            "invalid_request_error",
            None,
            "ip_not_authorized",
            "gmtech_ip_not_authorized",
        ),
        (
            endpoint,
            403,
            "invalid_request_error",
            None,
            "permission_denied",
            "gmtech_endpoint_not_allowed",
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
            Denial::Body(BodyError::TooLarge(32 << 20)),
            413,
            "invalid_request_error",
            None,
            "request_too_large",
            "gmtech_bad_request",
        ),
        (
            bodies(),
            429,
            "requests",
            None,
            "rate_limit_exceeded",
            "gmtech_rate_limit_bodies",
        ),
        (
            Denial::Overloaded,
            503,
            "server_error",
            None,
            "gate_overloaded",
            "gmtech_overloaded",
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
            Denial::ModelBudget {
                key: KeyId::new("key_1").unwrap(),
                model: ModelId::new("gpt-4o").unwrap(),
            },
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
        assert_eq!(reply.details, denial.decision().details());
        assert_eq!(denial.decision().outcome(), Outcome::Refuses, "{denial:?}");
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
        // Three headers for requests, three for tokens, and the scope of the limit.
        assert_eq!(limits, if limited { 7 } else { 0 });
        let scope = header(&reply, "x-ratelimit-scope");
        assert_eq!(scope.as_deref(), limited.then_some("key"));
    }
}

#[test]
fn a_limit_names_the_scope_that_binds() {
    let wait = Exceeded::Wait(SECOND);
    for (whose, name, words) in [
        ((Scope::Key, "key_1"), "key", "key_1 in team acme on"),
        (
            (Scope::KeyAndModel, "key_1/openai/gpt-4o"),
            "key_and_model",
            "key_1 and model openai/gpt-4o in team acme on",
        ),
        ((Scope::Tag, "batch"), "tag", "tag batch in team acme on"),
        ((Scope::Team, "acme"), "team", "all keys of team acme on"),
    ] {
        for dimension in Dimension::ALL {
            let denial = hit_of(whose, dimension, wait, 1);
            let message = denial.message();
            let begins = format!("Rate limit reached for {words} ");
            assert!(message.starts_with(&begins), "{message}");
            for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
                let reply = reply(&denial, dialect);
                assert_eq!(header(&reply, "x-ratelimit-scope").as_deref(), Some(name));
                let mut details = denial.decision().details();
                if whose.0 != Scope::Key {
                    details.push_str(&format!("_{name}"));
                }
                assert_eq!(reply.details, details);
            }
        }
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
        (
            bodies(),
            "Rate limit reached for key_1 in team acme on bytes of request bodies on their way at once: Limit 1000, \
             Used 900, Requested 200. Please try again in 1s. Rate limit exceeded: send fewer large requests at a time.",
        ),
    ] {
        assert_eq!(denial.message(), message);
    }
}

#[test]
fn a_missing_permission_names_the_key_and_who_can_grant_it() {
    let key = || KeyId::new("key_1").unwrap();
    let at = |address: Option<&str>| Denial::AddressNotAllowed {
        key: key(),
        address: address.map(|a| a.parse().unwrap()),
    };
    let group = EndpointGroup::Files;
    for (denial, message) in [
        (
            at(Some("2001:db8::1")),
            "Your IP 2001:db8::1 is not authorized to use key `key_1`. Send the request from an address on the key's \
             list, or have its team change the list at https://app.gmtech.com/users/api-keys/.",
        ),
        (
            at(None),
            "Your IP is not authorized to use key `key_1`. Send the request from an address on the key's list, or \
             have its team change the list at https://app.gmtech.com/users/api-keys/.",
        ),
        (
            Denial::EndpointNotAllowed { key: key(), group },
            "You have insufficient permissions for this operation. Permission denied: key `key_1` may not use \
             endpoints of the group 'files'. Its team can allow them at https://app.gmtech.com/users/api-keys/.",
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
fn a_temporary_overload_is_retryable() {
    for denial in [
        bodies(),
        Denial::Overloaded,
        Denial::NotReady,
        Denial::Unavailable,
    ] {
        let reply = reply(&denial, Dialect::OpenAi);
        assert_eq!(
            header(&reply, "retry-after-ms").unwrap(),
            "1000",
            "{denial:?}"
        );
        assert_eq!(
            header(&reply, "x-should-retry").unwrap(),
            "true",
            "{denial:?}"
        );
    }
}

#[test]
fn the_refusal_of_a_large_body_states_the_limit() {
    for (limit, told) in [(32 << 20, "32 MiB."), (1_000, "1000 bytes.")] {
        let message = Denial::Body(BodyError::TooLarge(limit)).message();
        assert!(message.ends_with(told), "{message}");
    }
}

#[test]
fn retry_headers_are_set_only_for_waits_that_sdks_respect() {
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
