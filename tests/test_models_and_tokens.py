"""What the body decides: which models a key may use, and that a request larger than its tokens limit never fits."""

import json

import openai
import pytest

from harness import bootstrap
from harness.gate import PROVIDER_KEY
from harness.mock import MockLlm
from harness.node import story

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
FORBIDDEN = "claude-sonnet-4-5"


def chat(gate, key, **fields):
    body = json.dumps({**HELLO, **fields}).encode()
    headers = [("authorization", key.bearer), ("content-type", "application/json")]
    return gate.send("POST", "/v1/chat/completions", headers, body)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini"])
def test_a_model_of_the_keys_list_passes_and_is_named(gate, model):
    key = gate.key("picky")
    assert chat(gate, key, model=model).status == 200
    assert [s.values("x-gmtech-model") for s in gate.seen()] == [[model]]
    assert [row["model"] for row in gate.rows()] == [model]


@pytest.mark.parametrize("model", [FORBIDDEN, "GPT-4o", "gpt-4", "gpt-4.1", "xgpt-4o"])
def test_another_model_is_refused_in_openais_words(gate, model):
    key = gate.key("picky")
    answer = chat(gate, key, model=model)
    assert answer.status == 403
    error = answer.error
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "model_not_found", "model")
    assert error["message"].startswith(f"The model `{model}` does not exist or you do not have access to it. ")
    assert "Permission denied: " in error["message"]
    assert gate.seen() == []
    (row,) = gate.rows()
    assert (row["decision"], row["response_code_details"]) == ("model_not_found", "gmtech_model_not_found")


def test_the_python_sdk_raises_permission_denied_after_one_call(gate):
    client = gate.openai(gate.key("picky"))
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.chat.completions.create(**{**HELLO, "model": FORBIDDEN})
    assert (raised.value.status_code, raised.value.code) == (403, "model_not_found")
    assert "Permission denied" in raised.value.message
    assert len(gate.rows()) == 1
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="text-embedding-3-large", input="Hello")
    assert client.embeddings.create(model="text-embedding-3-small", input="Hello").data


def test_the_node_sdk_raises_permission_denied_after_one_call(gate):
    error = story(gate.url(), gate.key("picky").text, f"model {FORBIDDEN}")["error"]
    assert (error["class"], error["status"], error["code"]) == ("PermissionDeniedError", 403, "model_not_found")
    assert len(gate.rows()) == 1


def test_a_request_larger_than_the_tokens_limit_is_not_retried(gate):
    """Waiting cannot cure it: the SDK is told so, and makes one call of its three."""
    key = gate.key("frugal")
    content = "one two three four five six seven eight nine ten " * 100
    messages = [{"role": "user", "content": content}]
    with pytest.raises(openai.RateLimitError) as raised:
        gate.openai(key).chat.completions.create(model="gpt-4o", messages=messages)
    error = raised.value
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "tokens")
    for word in ("Rate limit exceeded", key.id, key.team, "tokens per min (TPM)", "Limit 100"):
        assert word in error.message, error.message
    assert error.response.headers["x-should-retry"] == "false"
    assert "retry-after" not in error.response.headers
    assert [row["decision"] for row in gate.rows()] == ["rate_limit_tokens"]
    assert gate.seen() == []


def test_the_node_sdk_does_not_retry_it_either(gate):
    error = story(gate.url(), gate.key("frugal").text, "upload 1")["error"]
    assert (error["class"], error["status"], error["type"]) == ("RateLimitError", 429, "tokens")
    assert len(gate.rows()) == 1


def test_what_is_too_large_does_not_consume_a_request(gate):
    key = gate.key("frugal")
    content = "one two three four five six seven eight nine ten " * 100
    for _ in range(3):
        assert chat(gate, key, messages=[{"role": "user", "content": content}]).status == 429
    assert gate.models(key).header("x-ratelimit-remaining-requests") == "4999"


def held_back(config: dict) -> None:
    """The deployed configuration without the one line that lets the filter see a body before it decides."""
    assert bootstrap.plugin(config).pop("allow_on_headers_stop_iteration") is True


def test_without_allow_on_headers_stop_iteration_no_body_would_ever_pass(start):
    """Why the line is in envoy.yaml: without it Envoy holds the body back from a filter that waits for it."""
    gate = start(overlay=held_back, kinds={"team": (2, "team", {})})
    key = gate.key()
    assert gate.models(key).status == 200, "what has no body passes"
    body = json.dumps(HELLO).encode()
    headers = [("authorization", key.bearer), ("content-type", "application/json")]
    answer = gate.send("POST", "/v1/chat/completions", headers, body, deadline=1.5)
    assert (answer.status, answer.ended) == (0, "timeout")
    assert [s.path for s in gate.seen()] == ["/v1/models"]


def second_provider(port: int):
    """A route for the `claude-` models to a cluster of its own, as README.md of envoy/ shows it."""

    def overlay(config: dict) -> None:
        clusters = config["static_resources"]["clusters"]
        (first,) = [c for c in clusters if c["name"] == "upstream"]
        second = json.loads(json.dumps(first))
        second["name"] = second["load_assignment"]["cluster_name"] = "anthropic"
        endpoint = second["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"]["port_value"] = port
        clusters.append(second)
        header = {"name": "x-gmtech-model", "string_match": {"prefix": "claude-"}}
        route = {
            "name": "claude",
            "match": {"prefix": "/v1/", "headers": [header]},
            "route": {"cluster": "anthropic", "timeout": "0s"},
        }
        bootstrap.routes(config).insert(0, route)

    return overlay


def test_envoy_routes_on_the_model_and_no_client_chooses_the_route(start, tmp_path):
    other = MockLlm(tmp_path, "--require-key", PROVIDER_KEY)
    try:
        gate = start(overlay=second_provider(other.port), kinds={"team": (1, "team", {})})
        key = gate.key()
        assert chat(gate, key, model="gpt-4o").status == 200
        assert (len(gate.seen()), len(other.seen())) == (1, 0)
        assert chat(gate, key, model="claude-sonnet-4-5").status == 200
        assert (len(gate.seen()), len(other.seen())) == (1, 1)
        headers = [("authorization", key.bearer), ("x-gmtech-model", "claude-sonnet-4-5")]
        body = json.dumps(HELLO).encode()
        assert gate.send("POST", "/v1/chat/completions", headers, body).status == 200
        assert (len(gate.seen()), len(other.seen())) == (2, 1), "the client's header names no route"
    finally:
        other.stop()
