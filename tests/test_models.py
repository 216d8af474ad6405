"""Which models a key may use: lists of its tier and its own, the refusal, the list that it sees, and routing by model."""

import copy
import json

import httpx
import openai
import pytest

from harness import bootstrap, http1, metered
from harness.gate import PROVIDER_KEY, Gate
from harness.metered import CHAT_PATH, body, headers, post
from harness.mock import MockLlm
from harness.node import story

TIERS = {
    "mini": {"requests_per_minute": 6000, "tokens_per_minute": 1_000_000, "models": ["gpt-4o-mini", "text-*"]},
    "wide": {"requests_per_minute": 6000, "tokens_per_minute": 100_000_000, "models": ["*"]},
}
KINDS = {
    "mini": (20, "mini", {}),
    "mini and own": (20, "mini", {"models": ["text-embedding-3-small", "gpt-4o*"]}),
    "exact": (20, "wide", {"models": ["gpt-4o"]}),
    "prefix": (20, "wide", {"models": ["gpt-4o*", "claude-*", "text-embedding-3-small"]}),
    "any": (20, "wide", {"models": ["*"]}),
    "none of its own": (20, "wide", {}),
    "nothing": (5, "wide", {"models": []}),
}


@pytest.fixture(scope="module")
def blue(tmp_path_factory):
    """A second provider."""
    mock = MockLlm(tmp_path_factory.mktemp("blue"), "--name", "blue", "--require-key", PROVIDER_KEY)
    yield mock
    mock.stop()


@pytest.fixture(scope="module")
def gate(tmp_path_factory, blue):
    def two_providers(config):
        """As envoy.yaml shows it: routes by `x-gmtech-model` in front, and a cluster."""
        bootstrap.add_upstream(config, "blue", blue.port)
        for name in ("api-v1", "v1"):
            route = copy.deepcopy(bootstrap.route(config, name))
            route["name"] = f"claude-{name}"
            route["match"]["headers"] = [{"name": "x-gmtech-model", "string_match": {"prefix": "claude-"}}]
            route["route"]["cluster"] = "blue"
            bootstrap.routes(config).insert(0, route)

    with Gate(tmp_path_factory.mktemp("models"), kinds=KINDS, config={"tiers": TIERS}, overlay=two_providers) as gate:
        yield gate


# key's kind, model, whether it may
PERMISSIONS = [
    ("mini", "gpt-4o-mini", True),
    ("mini", "gpt-4o", False),
    ("mini", "gpt-4o-mini-2024", False),
    ("mini", "GPT-4o-mini", False),
    ("mini", "text-embedding-3-small", True),
    ("mini and own", "gpt-4o-mini", True),
    ("mini and own", "gpt-4o", False),
    ("mini and own", "text-embedding-3-small", True),
    ("mini and own", "text-embedding-3-large", False),
    ("exact", "gpt-4o", True),
    ("exact", "gpt-4o-mini", False),
    ("exact", "claude-sonnet-4-5", False),
    ("prefix", "gpt-4o", True),
    ("prefix", "gpt-4o-mini", True),
    ("prefix", "gpt-4", False),
    ("prefix", "gpt-4.1", False),
    ("prefix", "GPT-4o", False),
    ("prefix", "xgpt-4o", False),
    ("prefix", "claude-3-opus", True),
    ("any", "anything/of-anyone:1", True),
    ("none of its own", "gpt-4o", True),
    ("nothing", "gpt-4o", False),
]


@pytest.mark.parametrize(("kind", "model", "may"), PERMISSIONS)
def test_permissions(gate, blue, kind, model, may):
    key = gate.key(kind)
    blue.forget()
    answer = post(gate, key, body(model=model))
    (row,) = gate.rows()
    assert row["model"] == model
    if may:
        assert (answer.status, row["decision"]) == (200, "allowed")
        assert [s.values("x-gmtech-model") for s in gate.seen() + blue.seen()] == [[model]]
        return
    assert (answer.status, row["decision"]) == (403, "model_not_found")
    assert row["response_code_details"] == "gmtech_model_not_found"
    assert answer.error == {
        "message": f"The model `{model}` does not exist or you do not have access to it. "
        f"Permission denied: key `{key.id}` does not have access to model `{model}`.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert gate.seen() + blue.seen() == []
    limits = metered.limits(gate, key)
    assert limits["tokens_per_minute"]["used"] == 0, "no tokens"


def test_a_refused_model_is_a_request(start):
    """Refused models count as requests, so that trying models is limited."""
    gate = start(kinds={"picky": (1, "free", {"models": ["gpt-4o"]})})
    key = gate.key("picky")
    for used in (1, 2, 3):
        assert post(gate, key, body(model="o1")).status == 403
        assert metered.limits(gate, key)["requests_per_minute"]["used"] == used


def test_a_refused_model_is_refused_before_the_body_has_ended(gate):
    """A client need not finish a large upload to get the refusal."""
    key = gate.key("exact")
    raw = http1.request("POST", CHAT_PATH, headers(key, "", ("content-length", "10000000")))
    with http1.connect(gate.port) as s:
        s.sendall(raw + b'{"model":"o1","messages":[')
        answer = http1.receive(s, b"POST", 5)
    assert (answer.status, answer.error["code"]) == (403, "model_not_found")


def test_an_allowed_model_waits_for_the_body(gate):
    """The upstream gets nothing that may still be refused."""
    key = gate.key("exact")
    data = body()
    raw = http1.request("POST", CHAT_PATH, headers(key, "", ("content-length", str(len(data)))))
    with http1.connect(gate.port) as s:
        s.sendall(raw + data[:-1])
        assert http1.receive(s, b"POST", 0.3).ended == "timeout"
        assert gate.seen() == []
        s.sendall(data[-1:])
        assert http1.receive(s, b"POST", 5).status == 200


def test_the_python_sdk_raises_permission_denied_after_one_call(gate):
    client = gate.openai(gate.key("prefix"))
    with pytest.raises(openai.PermissionDeniedError) as raised:
        client.chat.completions.create(model="o1", messages=[{"role": "user", "content": "Hello"}])
    assert (raised.value.status_code, raised.value.code, raised.value.param) == (403, "model_not_found", "model")
    assert "Permission denied" in raised.value.message
    assert len(gate.rows()) == 1
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="text-embedding-3-large", input="Hello")
    assert client.embeddings.create(model="text-embedding-3-small", input="Hello").data


def test_the_node_sdk_raises_permission_denied_after_one_call(gate):
    error = story(gate.url(), gate.key("exact").text, "model o1")["error"]
    assert (error["class"], error["status"], error["code"]) == ("PermissionDeniedError", 403, "model_not_found")
    assert len(gate.rows()) == 1


def test_a_model_in_the_path_is_judged_too(gate):
    answer = gate.send("GET", "/api/v1/models/o1", [("authorization", gate.key("exact").bearer)])
    assert (answer.status, answer.error["code"]) == (403, "model_not_found")
    assert gate.send("GET", "/api/v1/models/gpt-4o", [("authorization", gate.key("exact").bearer)]).status == 200


LARGE = "word " * 100_000


@pytest.mark.parametrize(
    ("model", "provider"), [("gpt-4o", None), ("claude-3-opus", "blue"), ("claude", None), ("x-claude-3", None)]
)
@pytest.mark.parametrize("prompt", ["Hello", LARGE], ids=["small", "after 500 KB"])
@pytest.mark.parametrize("path", [CHAT_PATH, "/v1/chat/completions"])
def test_the_model_chooses_the_provider(gate, blue, model, provider, prompt, path):
    blue.forget()
    messages = [{"role": "user", "content": prompt}]
    data = json.dumps({"messages": messages, "max_tokens": 1, "model": model}).encode()
    answer = post(gate, gate.key("none of its own"), data, path=path)
    assert answer.status == 200
    assert answer.header("x-mock-name") == provider
    (request,) = gate.seen() + blue.seen()
    assert request.values("x-gmtech-model") == [model]
    (row,) = gate.rows()
    assert (row["upstream_cluster"], row["model"]) == ("blue" if provider else "upstream", model)


def test_a_client_cannot_choose_the_provider_by_the_header(gate, blue):
    blue.forget()
    answer = post(gate, gate.key("any"), body(), "", ("x-gmtech-model", "claude-3"))
    assert answer.status == 200 and answer.header("x-mock-name") is None
    assert (len(gate.seen()), len(blue.seen())) == (1, 0)


def held_back(config: dict) -> None:
    """The deployed configuration without the one line that lets the filter see a body before it decides."""
    assert bootstrap.plugin(config).pop("allow_on_headers_stop_iteration") is True


def test_without_allow_on_headers_stop_iteration_no_body_would_ever_pass(start):
    """Why the line is in envoy.yaml: without it Envoy holds the body back from a filter that waits for it."""
    gate = start(overlay=held_back, kinds={"team": (2, "team", {})})
    key = gate.key()
    assert gate.models(key).status == 200, "what has no body passes"
    answer = post(gate, key, body(), deadline=1.5)
    assert (answer.status, answer.ended) == (0, "timeout")
    assert [s.path for s in gate.seen()] == ["/v1/models"]


def listed(gate, kind: str) -> list[str]:
    return [m.id for m in gate.openai(gate.key(kind)).models.list()]


def test_the_list_of_models_is_what_the_key_may_use(gate):
    everything = listed(gate, "any")
    assert {"gpt-4o", "gpt-4o-mini"} <= set(everything)
    assert listed(gate, "none of its own") == everything
    assert listed(gate, "exact") == ["gpt-4o"]
    assert listed(gate, "prefix") == [
        m for m in everything if m.startswith(("gpt-4o", "claude-")) or m == "text-embedding-3-small"
    ] != everything
    assert listed(gate, "mini") == [m for m in everything if m == "gpt-4o-mini" or m.startswith("text-")]
    assert listed(gate, "mini and own") == [m for m in everything if m in ("gpt-4o-mini", "text-embedding-3-small")]
    assert listed(gate, "nothing") == []


def test_a_list_that_is_not_filtered_is_the_upstreams_own(gate):
    told = gate.models(gate.key("any"))

    own = httpx.get(f"{gate.mock.url}/v1/models", headers={"authorization": f"Bearer {PROVIDER_KEY}"}, trust_env=False)
    assert told.body == own.content


@pytest.mark.parametrize("mock", ["gzip", "cut_after_bytes=40;chunk_bytes=20"])
def test_a_list_that_cannot_be_read_is_not_shown(gate, mock):
    """It could name models that the key may not see."""
    answer = gate.models(gate.key("exact"), ("x-mock", mock))
    assert answer.status == 502, answer.everything()
    assert answer.header("content-encoding") is None
    assert answer.error["type"] == "server_error"


def test_a_list_that_is_too_long_is_not_shown(start, tmp_path):
    """Longer than what is held of it: an error, whole and of the right length, and not a byte of the list."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    names = ",".join(a + b + c for a in digits for b in digits for c in digits[:22])
    mock = MockLlm(tmp_path, "--models", names, "--require-key", PROVIDER_KEY)

    def long_list(config):
        bootstrap.lead_to(bootstrap.upstream(config), mock.port)

    try:
        gate = start(kinds={"exact": (1, "free", {"models": ["00a"]})}, overlay=long_list)
        key = gate.key("exact")
        fields = [("authorization", key.bearer), ("connection", "close"), ("x-mock", "chunk_bytes=20000")]
        raw = http1.request("GET", "/api/v1/models", fields)
        got = metered.Stream(gate.port, raw).read_to_the_end().received
        head, _, told = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502"), head
        assert json.loads(told)["error"]["type"] == "server_error"
        assert b"content-length: %d" % len(told) in head
    finally:
        mock.stop()


def test_an_error_in_place_of_the_list_passes(gate):
    answer = gate.models(gate.key("exact"), ("x-mock", "status=503"))
    assert answer.status == 503 and answer.error["message"]


def test_a_list_in_pieces_and_with_trailers(gate):
    for mock in ("chunk_bytes=1", "trailers"):
        answer = gate.models(gate.key("exact"), ("x-mock", mock), ("te", "trailers"))
        assert [m["id"] for m in json.loads(answer.body)["data"]] == ["gpt-4o"]
