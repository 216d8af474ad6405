"""Each client gets refusals in the shape of its own provider: the unmodified SDKs of OpenAI, Anthropic and Google, the
Vercel AI SDK and LiteLLM.

For each refusal the tests check the exception, its message, and the number of HTTP calls, counted in Envoy's access log.
"""

import datetime
import json

import anthropic
import openai
import pytest
from google import genai

from harness import bootstrap, dialects, keys
from harness.gate import Gate

CONFIG = {
    "credential_headers": ["authorization", "x-api-key", "x-goog-api-key"],
    "paths": [{"prefix": prefix, "action": "metered"} for prefix in ("/api/v1/", "/v1/", "/v1beta/")],
}
KINDS = {
    "picky": (20, "team", {"models": ["gpt-4o*"]}),
    # One request a minute: the next wait is longer than a test.
    "once": (20, "free", {"limits": {"requests_per_minute": 1}}),
    # One request every three seconds.
    "crawling": (10, "free", {"limits": {"requests_per_minute": 20, "requests_burst": 1}}),
    "revoked": (10, "free", {"status": "revoked"}),
    "team": (20, "team", {}),
    "frugal": (2, "team", {"limits": {"tokens_per_minute": 100}}),
}



def geminis_own_paths(config: dict) -> None:
    """A deployment that serves Gemini's API under its own version too."""
    host = bootstrap.virtual_host(config)
    route = {"cluster": "upstream", "timeout": "0s"}
    host["routes"].insert(0, {"name": "v1beta", "match": {"prefix": "/v1beta/"}, "route": route})


WRONG = ["Incorrect API key provided", "Invalid API key", "no such key is known"]
FORBIDDEN = ["The model `{model}` does not exist or you do not have access to it.", "Permission denied"]
LIMITED = ["Rate limit reached for", "requests per min (RPM)", "Rate limit exceeded"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"), config=CONFIG, kinds=KINDS, overlay=geminis_own_paths)
    yield gate
    gate.stop()


def spent(gate):
    """A key that has used up its one request of this minute."""
    key = gate.key("once")
    assert gate.models(key).status == 200
    gate.mark_rows()
    return key


def shows(message: str, words: list[str], **more) -> None:
    for word in words:
        assert word.format(**more) in message, message


def statuses(gate) -> list[int]:
    found = [row["response_code"] for row in gate.rows()]
    gate.mark_rows()
    return found


# SDK, model, the exceptions of a wrong key, a forbidden model and a limit, Anthropic's or Google's word for each.
NODE = [
    ("@ai-sdk/openai", "gpt-5", ["APICallError"] * 3, None),
    ("@ai-sdk/anthropic", "claude-sonnet-4-5", ["APICallError"] * 3, None),
    ("@ai-sdk/google", "gemini-2.5-pro", ["APICallError"] * 3, None),
    (
        "@anthropic-ai/sdk",
        "claude-sonnet-4-5",
        ["AuthenticationError", "PermissionDeniedError", "RateLimitError"],
        ["authentication_error", "permission_error", "rate_limit_error"],
    ),
    ("@google/genai", "gemini-2.5-pro", ["ApiError"] * 3, ["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"]),
]


@pytest.mark.parametrize(("sdk", "model", "classes", "types"), NODE, ids=[row[0] for row in NODE])
def test_an_sdk_for_node_shows_what_the_gate_says(gate, sdk, model, classes, types):
    limited = {"apiKey": gate.key("once").text, "model": model, "options": {"maxRetries": 0}}
    told = dialects.node(
        gate,
        sdk,
        [
            {"apiKey": keys.new_text(), "model": model},
            {"apiKey": gate.key("picky").text, "model": model},
            limited,
            limited,
        ],
    )
    assert told.pop(2).get("answer"), told
    errors = [row["error"] for row in told]
    assert [error["class"] for error in errors] == classes
    assert [error["status"] for error in errors] == [401, 403, 429]
    for error, words in zip(errors, (WRONG, FORBIDDEN, LIMITED), strict=True):
        shows(error["message"], words, model=model)
    if types:
        for error, word in zip(errors, types, strict=True):
            assert word in (error.get("type") or error["message"])
    if sdk == "@anthropic-ai/sdk":
        assert all(error["requestID"] for error in errors)
    assert statuses(gate) == [401, 403, 200, 429], "one call each"


@pytest.mark.parametrize(
    ("sdk", "model"),
    [("@ai-sdk/anthropic", "claude-sonnet-4-5"), ("@ai-sdk/google", "gemini-2.5-pro"), ("@anthropic-ai/sdk", "claude-x")],
)
def test_an_sdk_for_node_waits_as_promised_and_gets_through(gate, sdk, model):
    call = {"apiKey": gate.key("crawling").text, "model": model}
    told = dialects.node(gate, sdk, [call, call])
    assert all(row.get("answer") for row in told), told
    assert statuses(gate) == [200, 429, 200]


def test_anthropics_sdk_for_python(gate):
    hello = {"model": "claude-x", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}

    def refused(key: str, **options) -> anthropic.APIStatusError:
        client = anthropic.Anthropic(api_key=key, base_url=gate.url(""), **options)
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.messages.create(**hello)
        assert raised.value.request_id == raised.value.response.headers["x-request-id"]
        assert raised.value.body["request_id"] == raised.value.request_id
        return raised.value

    error = refused(keys.new_text())
    assert (type(error), error.type, error.error_code) == (
        anthropic.AuthenticationError, "authentication_error", "invalid_api_key",
    )  # fmt: skip
    shows(error.message, WRONG)
    assert statuses(gate) == [401]

    error = refused(gate.key("picky").text)
    assert (type(error), error.type, error.error_code) == (
        anthropic.PermissionDeniedError, "permission_error", "model_not_found",
    )  # fmt: skip
    shows(error.message, FORBIDDEN, model="claude-x")
    assert statuses(gate) == [403]

    error = refused(gate.key("revoked").text)
    assert (type(error), error.error_code) == (anthropic.PermissionDeniedError, "key_revoked")
    assert statuses(gate) == [403]

    error = refused(spent(gate).text, max_retries=0)
    assert (type(error), error.type, error.error_code) == (
        anthropic.RateLimitError, "rate_limit_error", "rate_limit_exceeded",
    )  # fmt: skip
    shows(error.message, LIMITED)
    assert statuses(gate) == [429]

    long = [{"role": "user", "content": "one two three four five six seven eight nine ten " * 100}]
    with pytest.raises(anthropic.RateLimitError) as raised:
        anthropic.Anthropic(api_key=gate.key("frugal").text, base_url=gate.url("")).messages.create(
            **{**hello, "messages": long}
        )
    shows(raised.value.message, ["Request too large for", "tokens per min (TPM)", "Rate limit exceeded"])
    assert statuses(gate) == [429], "what waiting cannot cure is not tried again"

    client = anthropic.Anthropic(api_key=gate.key("crawling").text, base_url=gate.url(""))
    assert client.messages.create(**hello).content and client.messages.create(**hello).content
    assert statuses(gate) == [200, 429, 200], "it waits as promised"


def test_anthropics_answers_and_refusals_tell_the_keys_own_limits(gate):
    key = spent(gate)
    chat = json.dumps({"model": "claude-x", "max_tokens": 5, "messages": []}).encode()
    headers = [("authorization", key.bearer), ("content-type", "application/json")]
    fresh = [("authorization", gate.key("team").bearer), ("content-type", "application/json")]
    for answer, status, limit in (
        (gate.send("POST", "/v1/messages", headers, chat), 429, ("1", "0")),
        (gate.send("POST", "/v1/messages", fresh, chat), 200, ("5000", "4999")),
    ):
        assert answer.status == status
        told = [answer.header(f"anthropic-ratelimit-requests-{name}") for name in ("limit", "remaining")]
        assert tuple(told) == limit
        assert answer.header("anthropic-ratelimit-tokens-remaining") is not None
        reset = datetime.datetime.fromisoformat(answer.header("anthropic-ratelimit-requests-reset"))
        ahead = (reset - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        assert -5 < ahead <= 61
        assert answer.header("x-ratelimit-limit-requests") is None
    assert answer.header("x-should-retry") is None


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_googles_sdk_for_python(gate, version):
    def refused(key: str) -> genai.errors.APIError:
        options = genai.types.HttpOptions(base_url=gate.url(""), api_version=version)
        with pytest.raises(genai.errors.ClientError) as raised:
            # A client without a reference is closed at once.
            with genai.Client(api_key=key, http_options=options) as client:
                client.models.generate_content(model="gemini-x", contents="Hello")
        return raised.value

    for key, code, status, reason, words in (
        (keys.new_text(), 401, "UNAUTHENTICATED", "INVALID_API_KEY", WRONG),
        (gate.key("picky").text, 403, "PERMISSION_DENIED", "MODEL_NOT_FOUND", FORBIDDEN),
        (spent(gate).text, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", LIMITED),
    ):
        error = refused(key)
        assert (error.code, error.status) == (code, status)
        shows(error.message, words, model="gemini-x")
        details = error.details["error"]["details"]
        assert details[0]["reason"] == reason
        delays = [float(detail["retryDelay"].removesuffix("s")) for detail in details[1:]]
        assert len(delays) == (1 if code == 429 else 0)
        assert all(0 < delay <= 60 for delay in delays)
        assert statuses(gate) == [code]


def test_litellm_as_aider_installs_it(gate):
    """LiteLLM tells a wrong key from a bad request by OpenAI's words in the message."""

    def call(key: str, model: str, base: str = "/v1") -> dict:
        return {"api_key": key, "model": model, "base": base}

    picky, limited = gate.key("picky").text, gate.key("once").text
    told = dialects.litellm(
        gate,
        [
            call(keys.new_text(), "openai/gpt-4o"),
            call("sk-proj-abcdefghijklmnop", "openai/gpt-4o"),
            call(picky, "openai/gpt-5"),
            call(limited, "openai/gpt-4o"),
            call(limited, "openai/gpt-4o"),
            call(limited, "anthropic/claude-x", ""),
            call(keys.new_text(), "anthropic/claude-x", ""),
            call(keys.new_text(), "gemini/gemini-x"),
        ],
    )
    assert told.pop(3).get("answer"), told
    errors = [row["error"] for row in told]
    assert [error["class"] for error in errors] == [
        "AuthenticationError", "AuthenticationError", "NotFoundError", "RateLimitError", "RateLimitError",
        "AuthenticationError", "AuthenticationError",
    ]  # fmt: skip
    for error, words in zip(errors, (WRONG, ["gmtech_"], FORBIDDEN, LIMITED, LIMITED, WRONG, WRONG), strict=True):
        shows(error["message"], words, model="gpt-5")
    assert statuses(gate) == [401, 401, 403, 200, 429, 429, 401, 401], "one call each"


SHARED = [
    # The headers that only one provider's clients send, and the first words of the refusal.
    ([("anthropic-version", "2023-06-01")], '{"type":"error","error":{"type":"authentication_error"'),
    ([("x-goog-api-client", "google-genai-sdk/1.0")], '{"error":{"code":401,'),
    ([], '{"error":{"message":"'),
]


@pytest.mark.parametrize(("headers", "begins"), SHARED, ids=["anthropic", "google", "openai"])
@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/models/some-model", "/v1/limits"])
def test_on_shared_paths_the_headers_tell_who_asks(gate, path, headers, begins):
    answer = gate.send("GET", path, headers)
    assert answer.status == 401
    assert answer.body.decode().startswith(begins)


def test_openais_sdk_gets_openais_shape_whatever_other_headers_it_sends(gate):
    client = openai.OpenAI(
        api_key=keys.new_text(), base_url=gate.url(), default_headers={"anthropic-version": "2023-06-01"}
    )
    with pytest.raises(openai.AuthenticationError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert raised.value.code == "invalid_api_key"
    shows(raised.value.message, WRONG)
