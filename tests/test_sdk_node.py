"""Stories of a customer with the official Node SDK, unmodified."""

import pytest

from harness import keys
from harness.node import story


@pytest.mark.parametrize("base", ["/api/v1", "/v1"])
@pytest.mark.parametrize("call", ["chat", "stream", "models", "embeddings", "response"])
def test_what_works(gate, base, call):
    told = story(gate.url(base), gate.key().text, call)
    assert told.get("answer"), told
    assert [row["response_code"] for row in gate.rows()] == [200]


REFUSED = [
    # key, class, status, code, words of the message
    ("unknown", "AuthenticationError", 401, "invalid_api_key", ["Invalid API key", "not active"]),
    ("wrong prefix", "AuthenticationError", 401, "invalid_api_key", ["Invalid API key", "gmtech_"]),
    ("suspended", "AuthenticationError", 401, "invalid_api_key", ["Invalid API key", "suspended"]),
    ("revoked", "PermissionDeniedError", 403, "key_revoked", ["Permission denied", "revoked"]),
]


@pytest.mark.parametrize(("kind", "name", "status", "code", "words"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_refused_key_costs_one_call(gate, kind, name, status, code, words):
    texts = {"unknown": keys.new_text(), "wrong prefix": "sk-proj-abcdefghijklmnop"}
    text = texts[kind] if kind in texts else gate.key(kind).text
    error = story(gate.url(), text, "chat")["error"]
    assert (error["class"], error["status"], error["code"]) == (name, status, code)
    assert error["type"] == "invalid_request_error"
    assert error["requestID"]
    for word in words:
        assert word in error["message"]
    assert len(gate.rows()) == 1


def test_over_the_limit_without_retries_it_is_a_rate_limit_error(gate):
    key = gate.key("five")
    for _ in range(5):
        assert gate.models(key).status == 200
    error = story(gate.url(), key.text, "chat", maxRetries=0)["error"]
    assert (error["class"], error["status"], error["code"]) == ("RateLimitError", 429, "rate_limit_exceeded")
    assert "Rate limit exceeded" in error["message"] and "Limit 5" in error["message"]
    assert len(gate.rows()) == 5 + 1


def test_the_sdk_waits_as_promised_and_gets_through(gate):
    key = gate.key("crawling")
    while gate.models(key).status == 200:
        pass
    assert story(gate.url(), key.text, "chat").get("answer")
    codes = [row["response_code"] for row in gate.rows()]
    assert codes[-3:] == [429, 429, 200], "one refusal by the loop above, one of the SDK's, then its retry"
