"""Customers stream with unmodified SDKs as before: nothing that they read shows the metering, and their usage is known
exactly."""

import anthropic
import pytest
from langchain_openai import ChatOpenAI

from harness import metered
from harness.gate import Gate
from harness.metered import STEADY, WORDS, charge
from harness.node import story

PROMPT = metered.prompt_tokens()
OUTPUT = len(WORDS.split())
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": WORDS}]}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    kinds = {"steady": (30, "free", {"limits": STEADY})}
    config = {"credential_headers": ["authorization", "x-api-key"]}
    with Gate(tmp_path_factory.mktemp("sdks"), kinds=kinds, config=config) as gate:
        yield gate


def is_exact(gate, key, tokens: int = PROMPT + OUTPUT) -> None:
    """One call, settled by the upstream's own count."""
    settled = charge(gate, key)
    assert (settled.status, settled.source, settled.charged) == (200, "exact", tokens)


def test_a_loop_that_takes_the_first_choice_of_every_chunk(gate):
    """As most code does. It would fail at a chunk without choices."""
    key = gate.key("steady")
    text = ""
    for chunk in gate.openai(key).chat.completions.create(**ASK, stream=True):
        text += chunk.choices[0].delta.content or ""
        # Upstreams that are asked for the usage send null until the end.
        assert chunk.usage is None
    assert text == WORDS
    is_exact(gate, key)


def test_a_client_that_asks_for_the_usage_gets_it(gate):
    key = gate.key("steady")
    options = {"include_usage": True}
    chunks = list(gate.openai(key).chat.completions.create(**ASK, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == PROMPT + OUTPUT
    is_exact(gate, key)


def test_a_client_that_declines_the_usage_does_not_get_it(gate):
    key = gate.key("steady")
    options = {"include_usage": False}
    chunks = list(gate.openai(key).chat.completions.create(**ASK, stream=True, stream_options=options))
    assert all(c.choices and c.usage is None for c in chunks)
    is_exact(gate, key)


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["quiet", "with usage"])
def test_the_stream_helper(gate, options):
    key = gate.key("steady")
    with gate.openai(key).chat.completions.stream(**ASK, **options) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert any(e.type == "content.delta" for e in events)
    assert final.choices[0].message.content == WORDS
    assert (final.usage.total_tokens if options else final.usage) == (PROMPT + OUTPUT if options else None)
    is_exact(gate, key)


def test_a_stream_that_is_left_early(gate):
    key = gate.key("steady")
    client = gate.openai(key, default_headers={"x-mock": "output_tokens=500;event_delay_ms=20"})
    with client.chat.completions.create(**ASK, stream=True) as stream:
        for _, _chunk in zip(range(5), stream, strict=False):
            pass
    settled = charge(gate, key)
    assert settled.source == "lower_bound" and 4 <= settled.output < 500


def test_responses_as_a_stream(gate):
    key = gate.key("steady")
    with gate.openai(key).responses.stream(model="gpt-4o", input=WORDS) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert events[-1].type == "response.completed" and final.output_text == WORDS
    is_exact(gate, key, final.usage.total_tokens)


HELLO_TOKENS = metered.prompt_tokens("Hello") + 1


@pytest.mark.parametrize(
    ("call", "answer"),
    [("chat", "Hello"), ("stream", "Hello"), ("helper", "Hello"), ("usage", HELLO_TOKENS)],
)
def test_the_node_sdk(gate, call, answer):
    key = gate.key("steady")
    assert story(gate.url(), key.text, call).get("answer") == answer
    is_exact(gate, key, HELLO_TOKENS)


@pytest.fixture
def langchain(gate):
    def client(key, **options):
        return ChatOpenAI(model="gpt-4o", api_key=key.text, base_url=gate.url(), max_retries=0, **options)

    return client


@pytest.mark.parametrize("usage", [False, True])
def test_langchain_as_a_stream(gate, langchain, usage):
    key = gate.key("steady")
    chunks = list(langchain(key, stream_usage=usage).stream(WORDS))
    assert "".join(c.content for c in chunks) == WORDS
    told = [c.usage_metadata for c in chunks if c.usage_metadata]
    assert [t["total_tokens"] for t in told] == ([PROMPT + OUTPUT] if usage else [])
    is_exact(gate, key)


def test_langchain_at_once(gate, langchain):
    key = gate.key("steady")
    answer = langchain(key).invoke(WORDS)
    assert (answer.content, answer.usage_metadata["total_tokens"]) == (WORDS, PROMPT + OUTPUT)
    is_exact(gate, key)


CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": WORDS}]}


@pytest.fixture(params=["auth_token", "api_key"])
def claude(gate, request):
    """The Anthropic SDK with the key as `Authorization: Bearer`, and as `x-api-key`."""
    key = gate.key("steady")
    # It appends /v1/messages by itself.
    return anthropic.Anthropic(base_url=gate.url("/api"), max_retries=0, **{request.param: key.text}), key


def test_anthropic_messages(gate, claude):
    client, key = claude
    answer = client.messages.create(**CLAUDE)
    assert answer.content[0].text == WORDS
    is_exact(gate, key, answer.usage.input_tokens + answer.usage.output_tokens)


def test_anthropic_messages_with_a_cache(gate, claude):
    """Its cached tokens come on top of its input tokens."""
    client, key = claude
    answer = client.messages.create(**CLAUDE, extra_headers={"x-mock": "cached_tokens=30;cache_creation_tokens=4"})
    assert answer.usage.cache_read_input_tokens == 30
    is_exact(gate, key, answer.usage.input_tokens + 30 + 4 + answer.usage.output_tokens)
    assert charge(gate, key).cached_input == 30


def test_anthropic_messages_as_a_stream(gate, claude):
    client, key = claude
    with client.messages.stream(**CLAUDE) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == WORDS
    is_exact(gate, key, final.usage.input_tokens + final.usage.output_tokens)


def test_anthropic_over_the_limit(gate):
    key = gate.key("steady")
    client = anthropic.Anthropic(base_url=gate.url("/api"), auth_token=key.text)
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(**{**CLAUDE, "messages": [{"role": "user", "content": "word " * 150_000}]})
    assert len(metered.rows(gate, key)) == 1, "what can never fit is not tried again"
