"""Headers that Envoy would obey if it trusted the client. It obeys none of them.

One charged request must be one request at the provider. A client that could make Envoy retry would get several.
"""

import time

import pytest

AUTH = "authorization"


def ask(gate, *headers, path="/v1/models", method="GET"):
    return gate.send(method, path, [(AUTH, gate.key().bearer), *headers])


def test_a_client_cannot_have_its_request_retried(gate):
    answer = ask(
        gate, ("x-mock", "status=500"), ("x-envoy-retry-on", "5xx,gateway-error,retriable-status-codes"),
        ("x-envoy-max-retries", "5"), ("x-envoy-retriable-status-codes", "500"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
    )  # fmt: skip
    assert answer.status == 500
    assert len(gate.seen()) == 1


@pytest.mark.parametrize("name", ["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"])
def test_a_client_cannot_set_timeouts(gate, name):
    answer = ask(gate, ("x-mock", "delay_ms=300"), (name, "50"))
    assert answer.status == 200


def test_a_client_cannot_turn_a_refusal_of_the_upstream_into_success(gate):
    answer = ask(gate, ("x-mock", "status=404"), ("x-envoy-upstream-rq-timeout-alt-response", "1"))
    assert answer.status == 404


def test_a_client_cannot_name_stats(gate):
    ask(gate, ("x-envoy-upstream-alt-stat-name", "evil"))
    assert "evil" not in gate.envoy.admin("/stats")


def test_a_client_cannot_choose_the_logged_path(gate):
    ask(gate, ("x-envoy-original-path", "/healthz"), path="/v2/models")
    assert [row["path"] for row in gate.rows()] == ["/v2/models"]


def test_a_client_cannot_choose_the_request_id(gate):
    answer = ask(gate, ("x-request-id", "chosen"))
    assert answer.header("x-request-id") != "chosen"
    assert [row["request_id"] for row in gate.rows()] == [answer.header("x-request-id")]


def test_a_client_cannot_have_its_request_traced_or_decorated(gate):
    answer = ask(gate, ("x-envoy-force-trace", "1"), ("x-client-trace-id", "evil"),
                 ("x-envoy-decorator-operation", "evil"))  # fmt: skip
    assert answer.status == 200
    assert "evil" not in answer.everything()


def test_the_upstream_learns_nothing_of_envoy_and_the_client(gate):
    ask(gate, ("x-forwarded-for", "203.0.113.7"), ("x-envoy-internal", "true"), ("x-envoy-expected-rq-timeout-ms", "5"))
    (request,) = gate.seen()
    assert [name for name in request.names() if name.startswith("x-envoy-")] == []
    assert request.values("x-forwarded-for") == []


def test_a_slow_answer_is_waited_for(gate):
    """The deployed routes have no timeout that includes the last byte, so long streams are not cut."""
    began = time.monotonic()
    assert ask(gate, ("x-mock", "delay_ms=1500")).status == 200
    assert time.monotonic() - began >= 1.5
