"""Stories of a customer with the official Python SDK, unmodified: what works, and what each refusal looks like.

For each refusal the tests check the exception's class, message, `code` and `status_code`, and the number of HTTP calls,
counted in Envoy's access log: a refusal that no retry can cure must cost one call.
"""

import time

import httpx
import openai
import pytest

from harness import keys

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


@pytest.fixture(params=["/api/v1", "/v1"])
def base(request) -> str:
    """Both base URLs that the product promises."""
    return request.param


def test_a_chat_completion(gate, base):
    client = gate.openai(gate.key(), base=base)
    answer = client.chat.completions.create(**HELLO)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert len(gate.rows()) == 1


def test_a_streamed_chat_completion(gate, base):
    client = gate.openai(gate.key(), base=base)
    chunks = list(client.chat.completions.create(**HELLO, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] is not None


def test_the_stream_helper(gate, base):
    with gate.openai(gate.key(), base=base).chat.completions.stream(**HELLO) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content


def test_the_list_of_models(gate, base):
    models = list(gate.openai(gate.key(), base=base).models.list())
    assert models and all(m.object == "model" for m in models)


def test_embeddings(gate, base):
    client = gate.openai(gate.key(), base=base)
    answer = client.embeddings.create(model="text-embedding-3-small", input="Hello")
    assert len(answer.data[0].embedding) > 0


def test_a_response(gate, base):
    answer = gate.openai(gate.key(), base=base).responses.create(model="gpt-4o", input="Hello")
    assert answer.output_text


def test_the_answer_says_what_is_left_and_names_the_request(gate):
    key = gate.key("free")
    raw = gate.openai(key).chat.completions.with_raw_response.create(**HELLO)
    assert raw.headers["x-ratelimit-limit-requests"] == "60"
    assert raw.headers["x-ratelimit-remaining-requests"] == "59"
    assert raw.headers["x-request-id"]


def unknown(gate):
    return keys.new_text()


def wrong_prefix(gate):
    return "sk-proj-abcdefghijklmnop"


def mistyped(gate):
    return keys.mistyped(gate.key().text)


def kind(name: str):
    def take(gate):
        return gate.key(name).text

    take.__name__ = name
    return take


REFUSED = [
    # key, exception, status, code, words of the message
    (unknown, openai.AuthenticationError, 401, "invalid_api_key", ["Invalid API key", "not active"]),
    (wrong_prefix, openai.AuthenticationError, 401, "invalid_api_key", ["Invalid API key", "gmtech_"]),
    (mistyped, openai.AuthenticationError, 401, "invalid_api_key", ["Invalid API key", "mistyped"]),
    (kind("suspended"), openai.AuthenticationError, 401, "invalid_api_key", ["Invalid API key", "suspended"]),
    (kind("expired"), openai.AuthenticationError, 401, "invalid_api_key", ["Invalid API key", "expired"]),
    (kind("revoked"), openai.PermissionDeniedError, 403, "key_revoked", ["Permission denied", "revoked"]),
]


@pytest.mark.parametrize(
    ("take", "exception", "status", "code", "words"), REFUSED, ids=[row[0].__name__ for row in REFUSED]
)
def test_a_refused_key_costs_one_call(gate, take, exception, status, code, words):
    client = gate.openai(take(gate))
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(**HELLO)
    error = raised.value
    assert type(error) is exception
    assert (error.status_code, error.code) == (status, code)
    assert error.type == "invalid_request_error"
    assert error.request_id
    for word in words:
        assert word in error.message, error.message
    assert str(error).startswith(f"Error code: {status} - ")
    assert len(gate.rows()) == 1, "a key that is refused is refused again: no retry"
    assert gate.seen() == []


def test_a_path_that_the_gate_does_not_know(gate):
    with pytest.raises(openai.NotFoundError) as raised:
        gate.openai(gate.key(), base="/v2").models.list()
    assert raised.value.code == "unknown_url"
    assert len(gate.rows()) == 1


def exhaust(gate, key, calls: int) -> None:
    for _ in range(calls):
        assert gate.models(key).status == 200


def test_over_the_limit_without_retries_it_is_a_rate_limit_error(gate):
    key = gate.key("five")
    exhaust(gate, key, 5)
    with pytest.raises(openai.RateLimitError) as raised:
        gate.openai(key, max_retries=0).chat.completions.create(**HELLO)
    error = raised.value
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "requests")
    assert error.message.startswith("Error code: 429 - ")
    for word in ["Rate limit exceeded", key.id, key.team, "requests per min (RPM)", "Limit 5", "Requested 1"]:
        assert word in error.message, error.message
    assert len(gate.rows()) == 5 + 1


def test_the_sdk_waits_as_promised_and_gets_through(gate):
    key = gate.key("single")
    exhaust(gate, key, 1)
    started = time.monotonic()
    assert gate.openai(key).chat.completions.create(**HELLO).choices
    assert time.monotonic() - started < 3, "it waited for longer than the second that was promised"
    assert [row["response_code"] for row in gate.rows()] == [200, 429, 200]


def test_a_key_that_others_keep_busy_gives_up_after_two_retries(gate):
    key = gate.key("single")

    def somebody_is_faster(_request):
        while gate.models(key).status == 200:
            pass

    class Busy(openai.OpenAI):
        def _prepare_request(self, request):
            somebody_is_faster(request)

    client = Busy(api_key=key.text, base_url=gate.url(), max_retries=2, timeout=30)
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**HELLO)
    assert raised.value.code == "rate_limit_exceeded"
    calls = [row for row in gate.rows() if row["path"].endswith("/chat/completions")]
    assert [row["response_code"] for row in calls] == [429, 429, 429]


def test_the_retry_helper_that_customers_are_told_to_write(gate):
    """Sleep 1 s, then 2 s: enough for one request over the limit, on the slowest tier."""
    key = gate.key("free")
    client = gate.openai(key, max_retries=0)

    def with_retries(call):
        for wait in (1, 2):
            try:
                return call()
            except openai.RateLimitError:
                time.sleep(wait)
        return call()

    with httpx.Client(base_url=gate.url(), headers={"authorization": key.bearer}) as quick:
        while quick.get("/models").status_code == 200:
            pass
    assert with_retries(lambda: client.chat.completions.create(**HELLO)).choices
    codes = [row["response_code"] for row in gate.rows()]
    assert codes.count(429) <= 1 + 2
    assert codes[-1] == 200
