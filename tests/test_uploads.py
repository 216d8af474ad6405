"""A large upload that is refused: the customer reads the reason, not "Connection error"."""

import openai
import pytest

from harness import http1, keys
from harness.node import story

MEGABYTES = 20


@pytest.fixture
def own_gate(start):
    """A gate of this module, because large bodies would slow down every later look at the shared gate's upstream."""
    boundless = {"limits": {"tokens_per_minute": 1_000_000_000}}
    return start(kinds={"team": (1, "team", boundless)})


def test_the_python_sdk_reads_the_refusal(own_gate):
    client = own_gate.openai(keys.new_text(), max_retries=0)
    content = "x" * (MEGABYTES << 20)
    with pytest.raises(openai.AuthenticationError) as raised:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])
    assert raised.value.code == "invalid_api_key"
    assert own_gate.seen() == []


def test_the_node_sdk_reads_the_refusal(own_gate):
    told = story(own_gate.url(), keys.new_text(), f"upload {MEGABYTES}", maxRetries=0)
    assert told["error"]["class"] == "AuthenticationError", told
    assert told["error"]["code"] == "invalid_api_key"
    assert own_gate.seen() == []


def test_a_client_that_writes_all_before_it_reads(own_gate):
    """As simple clients do. They find the answer even if the gate stops reading."""
    body = b"x" * (MEGABYTES << 20)
    raw = http1.request("POST", "/v1/chat/completions", [], body)
    assert http1.exchange(own_gate.port, raw).status == 401


def test_a_large_upload_with_a_good_key_passes_whole(own_gate):
    content = "x" * (MEGABYTES << 20)
    client = own_gate.openai(own_gate.key())
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": content}], max_tokens=5
    )
    assert answer.choices
