"""Every ending of a request settles it exactly once: one row of the access log has the usage and its source, and `/limits`
agrees right after it."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness import http1, http2, metered
from harness.gate import Gate
from harness.keys import Key
from harness.metered import STEADY, WORDS, body, by, charge, headers, post, stream

PROMPT = metered.prompt_tokens()
OUTPUT = len(WORDS.split())
# What is reserved for a request that declares no cap, until something was learned.
DEFAULT_OUTPUT = 1024
# With which a chunked body ends.
LAST_CHUNK = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    kinds = {
        "steady": (80, "free", {"limits": STEADY}),
        "small": (5, "free", {"limits": {**STEADY, "tokens_burst": 300}}),
    }
    with Gate(tmp_path_factory.mktemp("endings"), kinds=kinds, overlay=metered.crossroads) as gate:
        yield gate


@dataclass(frozen=True)
class Row:
    """A request, the status its client sees, how the usage is known, and what is charged (in tokens)."""

    name: str
    send: Callable[[Gate, Key], http1.Answer]
    status: int
    source: str
    charged: int
    # Requests that the upstream got.
    calls: int = 1


def json_answer(mock: str = "", *more, **fields):
    return lambda gate, key: post(gate, key, body(**fields), mock, *more)


def sse(mock: str = "", *more, **fields):
    return json_answer(mock, *more, stream=True, **fields)


def over_http2(trailers=(), **fields):
    return lambda gate, key: http2.exchange(
        gate.port, "POST", metered.CHAT_PATH, headers(key), body(**fields), trailers=list(trailers)
    )


def chunked_with_trailers(**fields):
    def send(gate, key):
        data = body(**fields)
        raw = http1.request("POST", metered.CHAT_PATH, headers(key, "", ("transfer-encoding", "chunked")))
        raw += b"%x\r\n%s\r\n0\r\nx-check: done\r\n\r\n" % (len(data), data)
        return http1.exchange(gate.port, raw)

    return send


COUNTED = PROMPT + OUTPUT
TRAILERS = [("x-check", "done")]
ASKED = {"stream_options": {"include_usage": True}}

ROWS = [
    # What the upstream counted.
    Row("JSON", json_answer(), 200, "exact", COUNTED),
    Row("JSON over HTTP/2", over_http2(), 200, "exact", COUNTED),
    Row("JSON with a capped output", json_answer(max_tokens=3), 200, "exact", PROMPT + 3),
    Row("JSON with three choices", json_answer(n=3), 200, "exact", PROMPT + 3 * OUTPUT),
    Row("stream", sse(), 200, "exact", COUNTED),
    Row("stream whose client asked for the usage", sse(**ASKED), 200, "exact", COUNTED),
    Row("stream over HTTP/2", over_http2(stream=True), 200, "exact", COUNTED),
    Row("stream without [DONE]", sse("no_done"), 200, "exact", COUNTED),
    Row("stream with the usage on every chunk", sse("continuous_usage"), 200, "exact", COUNTED),
    Row("longer than reserved", json_answer("output_tokens=3000"), 200, "exact", PROMPT + 3000),
    Row("JSON with response trailers", json_answer("trailers", by("http2")), 200, "exact", COUNTED),
    Row("stream with response trailers", sse("trailers", by("http2")), 200, "exact", COUNTED),
    Row("JSON with request trailers", chunked_with_trailers(), 200, "exact", COUNTED),
    Row("stream with request trailers", chunked_with_trailers(stream=True), 200, "exact", COUNTED),
    Row("HTTP/2 with request trailers", over_http2(TRAILERS), 200, "exact", COUNTED),
    Row("HTTP/2 stream with request trailers", over_http2(TRAILERS, stream=True), 200, "exact", COUNTED),
    # Unusual counts of the upstream are taken as they are, up or down.
    Row("wrong usage", json_answer("usage_prompt=3;usage_completion=2"), 200, "exact", 5),
    Row("huge usage", json_answer("usage_completion=900000"), 200, "exact", PROMPT + 900_000),
    Row("huge usage of a stream", sse("usage_completion=900000"), 200, "exact", PROMPT + 900_000),
    # A refusal of the upstream costs a request and no tokens.
    Row("the upstream's 400", json_answer("status=400"), 400, "exact", 0),
    Row("the upstream's 429", json_answer("status=429"), 429, "exact", 0),
    Row("the upstream's 500", json_answer("status=500"), 500, "exact", 0),
    Row("the upstream's 500 to a stream", sse("status=500"), 500, "exact", 0),
    Row("upstream unreachable", json_answer("", by("dead")), 503, "exact", 0, calls=0),
    Row("upstream too slow", json_answer("delay_ms=5000", by("impatient")), 504, "exact", 0),
    Row("upstream hangs up", json_answer("drop"), 503, "exact", 0),
    # Envoy retries.
    Row("retry", json_answer("status=503;fail_times=1;tag=retry", by("retrying")), 200, "exact", COUNTED, calls=2),
]


@pytest.mark.parametrize("row", ROWS, ids=[r.name for r in ROWS])
def test_endings_with_a_count(gate, row):
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    answer = row.send(gate, key)
    assert (answer.status, answer.ended) == (row.status, "complete"), answer.everything()
    settled = charge(gate, key)
    ledger.check(row.charged)
    assert (settled.source, settled.charged, settled.decision) == (row.source, row.charged, "allowed")
    assert settled.reserved > 0, "it was reserved before it left"
    assert len(gate.seen()) == row.calls
    assert metered.limits(gate, key)["requests_per_minute"]["used"] <= 1
    if row.charged == COUNTED:
        assert (settled.input, settled.output) == (PROMPT, OUTPUT)
        counted = metered.truth(gate, key)["completed"]
        assert counted["total_tokens"] == row.charged, "the upstream's own count"


ESTIMATED = [
    # name, directives, fields, the output estimated: at least, at most
    ("JSON without usage", "no_usage", {}, OUTPUT, 2 * OUTPUT),
    ("stream without usage", "no_usage", {"stream": True}, OUTPUT, 2 * OUTPUT),
    ("JSON with a usage of zeros", "usage_prompt=0;usage_completion=0", {}, OUTPUT, 2 * OUTPUT),
    ("stream with a usage of zeros", "usage_prompt=0;usage_completion=0", {"stream": True}, OUTPUT, 2 * OUTPUT),
    ("another content type", "content_type=text/plain;no_usage", {}, OUTPUT, 2 * OUTPUT),
    ("gzip", "gzip", {"max_tokens": 77}, 77, 77),
    ("gzip of a stream", "gzip", {"max_tokens": 77, "stream": True}, 77, 77),
]


@pytest.mark.parametrize("row", ESTIMATED, ids=[r[0] for r in ESTIMATED])
def test_endings_without_a_count_are_estimated(gate, row):
    _, mock, fields, least, most = row
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    answer = post(gate, key, body(**fields), mock)
    assert (answer.status, answer.ended) == (200, "complete")
    settled = charge(gate, key)
    ledger.check(settled.charged)
    assert settled.source == "estimated"
    assert settled.input == settled.prompt_estimate > 0
    assert least <= settled.output <= most
    assert settled.charged == settled.input + settled.output


def test_a_compressed_answer_passes_untouched_and_is_counted(gate):
    key = gate.key("steady")
    before = metered.counters(gate, "gmtech_usage_unread").get(("encoding", "free"), 0)
    answer = post(gate, key, body(), "gzip")
    assert answer.header("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(answer.body))["choices"][0]["message"]["content"] == WORDS
    charge(gate, key)
    assert metered.counters(gate, "gmtech_usage_unread")[("encoding", "free")] == before + 1


def test_the_client_leaves_before_the_first_byte(gate):
    """The upstream has read the prompt."""
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    going = stream(gate, key, "delay_ms=4000")
    metered.wait_until("the upstream to have it", lambda: gate.seen())
    held = metered.limits(gate, key)["tokens_per_minute"]["used"]
    going.hang_up()
    settled = charge(gate, key)
    assert held >= settled.reserved - 5 > DEFAULT_OUTPUT, "while it was under way, the reservation was held"
    assert (settled.source, settled.charged) == ("lower_bound", settled.prompt_estimate)
    ledger.check(settled.charged)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_client_leaves_in_the_middle(gate, count):
    """Hanging up does not avoid the charge."""
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    going = stream(gate, key, "output_tokens=500;event_delay_ms=30", max_tokens=500).read_events(count + 1)
    going.hang_up()
    settled = charge(gate, key)
    ledger.check(settled.charged)
    assert settled.source == "lower_bound"
    # The first event holds the role only; every other holds a word.
    assert count <= settled.output < 500
    assert settled.input == settled.prompt_estimate
    assert settled.charged == settled.input + settled.output <= settled.reserved


def test_the_client_leaves_in_the_middle_of_a_stream_that_counts(gate):
    """Each chunk has the usage so far, which is taken as it is."""
    key = gate.key("steady")
    going = stream(gate, key, "output_tokens=500;event_delay_ms=30;continuous_usage").read_events(6)
    going.hang_up()
    settled = charge(gate, key)
    assert settled.source == "lower_bound"
    assert settled.input == PROMPT
    assert 5 <= settled.output < 500


def test_the_client_leaves_after_done(gate):
    """As SDKs do: after `[DONE]` the stream is complete."""
    key = gate.key("steady")
    going = stream(gate, key)
    while b"[DONE]" not in going.received:
        going.read_events(going.received.count(b"\n\n") + 1)
    going.hang_up()
    settled = charge(gate, key)
    assert (settled.source, settled.charged) == ("exact", COUNTED)


@pytest.mark.parametrize("way", [(), (by("http2"),)], ids=["HTTP/1.1", "HTTP/2"])
def test_the_upstream_breaks_off(gate, way):
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    going = stream(gate, key, "cut_after_events=4;event_delay_ms=30", *way).read_to_the_end()
    assert b"200 OK" in going.received and not going.received.endswith(LAST_CHUNK), "the client sees that it was cut"
    settled = charge(gate, key)
    ledger.check(settled.charged)
    assert settled.source == "lower_bound"
    assert 3 <= settled.output <= OUTPUT
    assert settled.charged == settled.prompt_estimate + settled.output <= settled.reserved


def test_the_upstream_breaks_off_within_a_document(gate):
    key = gate.key("steady")
    going = stream(gate, key, "cut_after_bytes=60", stream=False).read_to_the_end()
    assert b"200 OK" in going.received and b"usage" not in going.received
    settled = charge(gate, key)
    assert settled.source == "lower_bound"
    assert settled.charged >= settled.prompt_estimate


def test_the_upstream_fails_in_the_middle(gate):
    """By an error event and a clean end: what was generated before it is charged."""
    key = gate.key("steady")
    answer = post(gate, key, body(stream=True), "error_event_after=4")
    assert answer.ended == "complete" and b'"error"' in answer.body
    settled = charge(gate, key)
    assert settled.source == "lower_bound"
    assert 3 <= settled.output <= OUTPUT


def test_a_body_too_large_for_envoy(start):
    """Envoy's 413 comes before tokens are reserved, but the request counts."""

    def small(config):
        metered.bootstrap.virtual_host(config)["request_body_buffer_limit"] = 100_000
        (listener,) = config["static_resources"]["listeners"]
        listener["per_connection_buffer_limit_bytes"] = 100_000

    gate = start(kinds={"free": (1, "free", {})}, overlay=small)
    key = gate.key("free")
    answer = post(gate, key, body("word " * 100_000))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    settled = charge(gate, key)
    assert (settled.decision, settled.source, settled.charged) == ("incomplete", "", 0)
    assert metered.limits(gate, key)["tokens_per_minute"]["used"] == 0
    assert metered.limits(gate, key)["requests_per_minute"]["used"] == 1
    assert gate.seen() == []


def test_the_client_leaves_within_its_own_body(gate):
    key = gate.key("steady")
    raw = http1.request("POST", metered.CHAT_PATH, headers(key, "", ("content-length", "1000")))
    going = metered.Stream(gate.port, raw + b'{"model":"gpt-4o",')
    active = r"^http\.api\.downstream_rq_active$"
    metered.wait_until("Envoy to have it", lambda: sum(gate.envoy.stats(active).values()) > 0)
    going.hang_up()
    settled = charge(gate, key)
    assert (settled.decision, settled.source, settled.charged) == ("incomplete", "", 0)
    assert metered.limits(gate, key)["tokens_per_minute"]["used"] == 0
    assert gate.seen() == []


def test_a_redirect_that_envoy_follows_is_refused_and_settled(gate):
    """Envoy sends the request through the filters again, with the provider's key where the client's was. So a deployment
    must not let Envoy follow redirects. In any case nothing passes unpaid or stays reserved."""
    key = gate.key("steady")
    ledger = metered.Ledger(gate, key)
    answer = post(gate, key, body(), "redirect=http://gate.test/v1/completions", by("redirecting"))
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert [s.path for s in gate.seen()] == ["/v1/chat/completions"], "it did not pass a second time"
    settled = charge(gate, key)
    assert (settled.source, settled.charged) == ("lower_bound", settled.prompt_estimate)
    ledger.check(settled.charged)
    assert [r["decision"] for r in gate.rows() if r["decision"] != "limits"] == ["allowed", "invalid_api_key"]


def test_debt_is_carried(gate):
    """An answer far beyond its reservation is paid for: no request passes until then."""
    key = gate.key("small")
    assert post(gate, key, body(max_tokens=5), "usage_completion=900").status == 200
    assert charge(gate, key).charged == PROMPT + 900
    refused = post(gate, key, body(max_tokens=5))
    assert (refused.status, refused.error["type"]) == (429, "tokens")
    assert refused.header("x-ratelimit-remaining-tokens") == "0"
    limit = metered.limits(gate, key)["tokens_per_minute"]
    assert limit["used"] > 900 and limit["remaining"] == 0
