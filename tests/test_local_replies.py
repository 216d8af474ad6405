"""Envoy's own answers have the shape that the client's SDK reads, and the SDK raises its own exceptions for them."""

import json

import openai
import pytest

from harness import bootstrap, http1
from harness.hostile import CHAT

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
ONE_KEY = {"team": (1, "team", {})}
BOUNDLESS = {"team": (1, "team", {"limits": {"tokens_per_minute": 1_000_000_000}})}


def little_room(config: dict) -> None:
    """A deployment that holds 2 MiB of a body, in place of 32."""
    host = bootstrap.virtual_host(config)
    assert host["request_body_buffer_limit"] == 32 << 20
    host["request_body_buffer_limit"] = 2 << 20


def impatient(config: dict) -> None:
    """Routes that give the upstream 200 ms."""
    for route in bootstrap.routes(config):
        if "route" in route:
            route["route"]["timeout"] = "0.2s"


def test_413_body_too_large(start):
    gate = start(overlay=little_room, kinds=BOUNDLESS)
    client = gate.openai(gate.key())
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x " * (3 << 19)}])
    assert (raised.value.status_code, raised.value.code) == (413, "request_too_large")
    assert [r["response_code_details"] for r in gate.rows()] == ["request_payload_too_large"]
    assert gate.seen() == []


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_413_as_deployed(start, framing):
    gate = start(kinds=BOUNDLESS)
    body = b'{"model":"gpt-4o","messages":[{"role":"user","content":"' + b"x " * (17 << 20) + b'"}]}'
    headers = [("authorization", gate.key().bearer), ("content-type", "application/json")]
    if framing == "chunked":
        headers.append(("transfer-encoding", "chunked"))
        raw = http1.request("POST", "/v1/chat/completions", headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        raw = http1.request("POST", "/v1/chat/completions", headers, body)
    answer = http1.exchange(gate.port, raw, deadline=20)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert "32 MiB" in answer.error["message"]
    assert gate.seen() == []


def test_503_upstream_down(start):
    gate = start(mock=False, kinds=ONE_KEY)
    key = gate.key()
    with pytest.raises(openai.InternalServerError) as raised:
        gate.openai(key, max_retries=1).chat.completions.create(**HELLO)
    assert (raised.value.status_code, raised.value.code) == (503, "service_unavailable")
    assert raised.value.type == "server_error"
    rows = gate.rows()
    assert [r["response_code"] for r in rows] == [503, 503], "a 503 is worth another try"
    assert all(r["key_id"] == key.id for r in rows)


def test_503_has_the_shape_on_the_wire(start):
    gate = start(mock=False, kinds=ONE_KEY)
    answer = gate.models(gate.key())
    assert (answer.status, answer.error["code"]) == (503, "service_unavailable")
    assert answer.header("x-request-id")
    assert answer.header("x-ratelimit-remaining-requests") == "4999", "limits are told of on every metered answer"


def test_504_upstream_slow(start):
    gate = start(overlay=impatient, kinds=ONE_KEY)
    headers = [("authorization", gate.key().bearer), ("x-mock", "delay_ms=5000")]
    answer = gate.send("POST", "/v1/chat/completions", headers, CHAT)
    assert (answer.status, answer.error["code"]) == (504, "gateway_timeout")
    assert [r["response_code_details"] for r in gate.rows()] == ["response_timeout"]


def test_503_upstream_hangs_up(gate):
    headers = [("authorization", gate.key().bearer), ("x-mock", "drop")]
    answer = gate.send("POST", "/v1/chat/completions", headers, CHAT)
    assert (answer.status, answer.error["type"]) == (503, "server_error")


def test_404_of_the_gate(gate):
    answer = gate.send("GET", "/v2/models", [("authorization", gate.key().bearer)])
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "/v2/models" in answer.error["message"]


@pytest.mark.parametrize(
    ("status", "exception"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_what_the_upstream_refuses_passes_as_it_is(gate, status, exception):
    client = gate.openai(gate.key(), max_retries=0, default_headers={"x-mock": f"status={status}"})
    with pytest.raises(exception) as raised:
        client.chat.completions.create(**HELLO)
    assert raised.value.status_code == status
    assert [r["response_code_details"] for r in gate.rows()] == ["via_upstream"]


def test_a_retry_of_the_sdk_after_an_upstream_failure(gate):
    key = gate.key()
    client = gate.openai(key, default_headers={"x-mock": "status=500;fail_times=2"})
    assert client.chat.completions.create(**HELLO).choices
    assert [r["response_code"] for r in gate.rows()] == [500, 500, 200]


def passthrough_twin(status: int, code: str, path: str):
    return pytest.param(status, code, path, id=f"{status} {path}")


@pytest.mark.parametrize(
    ("status", "code", "path"),
    [passthrough_twin(404, "unknown_url", "/v2/models"), passthrough_twin(503, "service_unavailable", "/v1/models")],
)
def test_envoy_answers_alike_without_the_filter(start, status, code, path):
    gate = start(passthrough=True, mock=False, kinds={})
    answer = gate.send("GET", path)
    assert (answer.status, answer.error["code"]) == (status, code)


def anthropics(error_type: str, message: str) -> dict:
    return {"type": "error", "error": {"type": error_type, "message": message}}


def googles(code: int, status: str, message: str) -> dict:
    return {"error": {"code": code, "status": status, "message": message}}


CLAUDE = b'{"model":"claude-x","max_tokens":5,"messages":[]}'
GEMINI = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'
GEMINI_PATH = "/v1/models/gemini-x:generateContent"
DOWN = "The service is temporarily unavailable. Please try again."
SLOW = "The model provider did not answer in time. Please try again."
LARGE = "The request body is too large: the limit is 32 MiB."


@pytest.mark.parametrize("passthrough", [False, True], ids=["gate", "passthrough"])
def test_anthropics_and_googles_paths_have_their_shapes(start, passthrough):
    gate = start(mock=False, passthrough=passthrough, kinds={} if passthrough else ONE_KEY, config={})
    bearer = [] if passthrough else [("authorization", gate.key().bearer)]
    headers = [*bearer, ("content-type", "application/json")]
    for path, data, body in (
        ("/v1/messages", CLAUDE, anthropics("overloaded_error", DOWN)),
        ("/api/v1/messages?beta=true", CLAUDE, anthropics("overloaded_error", DOWN)),
        (GEMINI_PATH, GEMINI, googles(503, "UNAVAILABLE", DOWN)),
        ("/api/v1/models/gemini-x:streamGenerateContent?alt=sse", GEMINI, googles(503, "UNAVAILABLE", DOWN)),
    ):
        answer = gate.send("POST", path, headers, data)
        assert (answer.status, json.loads(answer.body)) == (503, body), path
        assert answer.header("content-type") == "application/json"


def test_504_and_413_on_anthropics_and_googles_paths(start):
    def overlay(config: dict) -> None:
        little_room(config)
        impatient(config)
        # mock-llm speaks Gemini's dialect under Gemini's version only.
        route = bootstrap.route(config, "api-v1")
        route["route"]["prefix_rewrite"] = "/v1beta/"

    gate = start(overlay=overlay, kinds=BOUNDLESS)
    headers = [("authorization", gate.key().bearer), ("content-type", "application/json")]
    slow = [*headers, ("x-mock", "delay_ms=5000")]
    large = b" " * (3 << 20)
    for path, data, timed_out, too_large in (
        ("/v1/messages", CLAUDE, anthropics("timeout_error", SLOW), anthropics("request_too_large", LARGE)),
        (f"/api{GEMINI_PATH}", GEMINI, googles(504, "DEADLINE_EXCEEDED", SLOW), googles(413, "INVALID_ARGUMENT", LARGE)),
    ):
        answer = gate.send("POST", path, slow, data)
        assert (answer.status, json.loads(answer.body)) == (504, timed_out)
        answer = gate.send("POST", path, headers, data[:1] + large + data[1:])
        assert (answer.status, json.loads(answer.body)) == (413, too_large)
