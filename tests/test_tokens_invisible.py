"""Invisible metering: through the gate a client receives exactly the bytes that it receives without it, except the injected
usage event. The upstream receives exactly the client's bytes, except the injected option."""

import hashlib
import json
import re
import socket

import pytest

from harness import http1, http2, metered
from harness.gate import PROVIDER_KEY, Gate
from harness.metered import CHAT_PATH, body, headers

ASK = b'"stream_options":{"include_usage":true},'
ASKED = {"stream_options": {"include_usage": True}}
KINDS = {"team": (1, "team", {"limits": {"tokens_per_minute": 1_000_000_000}})}


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    config = {"metering": {"include_usage_except_models": ["mistral-*"]}}
    with Gate(tmp_path_factory.mktemp("metered"), kinds=KINDS, config=config, overlay=metered.crossroads) as gate:
        yield gate


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The same deployment without the filter."""
    with Gate(tmp_path_factory.mktemp("bare"), passthrough=True, kinds={}) as gate:
        yield gate


@pytest.fixture(scope="module")
def key(gate):
    return gate.key()


# What differs from call to call in the mock's answers.
UNIQUE = re.compile(rb'"(id|created|created_at|system_fingerprint)":\s?("[^"]*"|\d+)')


def same(answer: bytes) -> bytes:
    return UNIQUE.sub(rb'"\1":0', answer)


# Streams as upstreams send them, by the mock's directives.
STREAMS = [
    "",
    "crlf",
    "cr",
    "chunk_bytes=1",
    "chunk_bytes=7",
    "comment_lines",
    "extra_empty_choices",
    "continuous_usage",
    "usage_in_last_chunk",
    "no_done",
    "no_usage",
    "multiline_data",
    "multiline_data;crlf;chunk_bytes=3",
    "no_space",
    "bom",
    "long_line_bytes=3000000",
    "long_line_bytes=3000000;extra_empty_choices;crlf",
    "error_event_after=2",
    "event_delay_ms=5",
    "event_delay_ms=5;crlf;comment_lines;no_space;extra_empty_choices",
    "content_type=text/plain",
    "content_type=application/json",
    "content_type=application/octet-stream",
    "content_type=application/json;chunk_bytes=1;bom",
    "answer_as=json",
    "gzip",
    *(f"split_at={at}" for at in (1, 57, 290, 291, 292, 293, 2000)),
]


def receive(port: int, authorization: str, data: bytes, mock: str) -> http1.Answer:
    fields = [("authorization", authorization), ("content-type", "application/json"), ("x-mock", mock)]
    fields = fields if mock else fields[:-1]
    answer = http1.exchange(port, http1.request("POST", CHAT_PATH, fields, data), deadline=20)
    assert (answer.status, answer.ended) == (200, "complete"), answer.everything()[:2000]
    return answer


EVENT = re.compile(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)
LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)")


def without_usage_event(answer: bytes) -> bytes:
    """A stream without the event that has a usage and nothing of an answer. A comment before that event belongs to no event
    and stays."""

    def stays(event: bytes) -> bytes:
        lines = LINE.findall(event)
        data = b"\n".join(re.sub(rb"^data: ?", b"", f.strip()) for f in lines if f.startswith(b"data:"))
        chunk = json.loads(data) if data.startswith(b"{") else {}
        if chunk.get("choices") == [] and chunk.get("usage") is not None:
            return b"".join(line for line in lines if line.startswith(b":"))
        return event

    return b"".join(stays(e) for e in EVENT.findall(answer))


@pytest.mark.parametrize("mock", STREAMS)
def test_a_stream_arrives_but_for_the_usage_event(gate, bare, key, mock):
    """Only the gate asks for the usage, so it removes the event that follows from that."""
    through = receive(gate.port, key.bearer, body(stream=True), mock)
    without = receive(bare.port, "Bearer any", body(stream=True, **ASKED), mock)
    due = without_usage_event(without.body) if mock != "gzip" else without.body
    assert same(through.body) == same(due)
    assert through.header("content-type") == without.header("content-type")
    if not any(odd in mock for odd in ("usage", "error", "answer_as", "gzip")):
        assert len(due) < len(without.body), "or there was nothing to take out"


@pytest.mark.parametrize("mock", STREAMS)
def test_a_stream_without_the_injected_option_arrives_whole(gate, bare, key, mock):
    """For upstreams that refuse the option."""
    data = body(model="mistral-large", stream=True)
    through = receive(gate.port, key.bearer, data, mock)
    without = receive(bare.port, "Bearer any", data, mock)
    assert same(through.body) == same(without.body)


@pytest.mark.parametrize("mock", STREAMS)
def test_a_client_that_asks_gets_all(gate, bare, key, mock):
    data = body(stream=True, **ASKED)
    through = receive(gate.port, key.bearer, data, mock)
    without = receive(bare.port, "Bearer any", data, mock)
    assert same(through.body) == same(without.body)
    if mock in ("", "crlf", "cr", "chunk_bytes=1", "split_at=57"):
        assert b'"total_tokens"' in through.body, "or this test compares nothing"


@pytest.mark.parametrize("path", ["completions", "embeddings", "responses", "messages", "moderations"])
@pytest.mark.parametrize("streams", [False, True])
def test_other_endpoints(gate, bare, key, path, streams):
    fields = {
        "completions": {"prompt": "one two three", "max_tokens": 9},
        "embeddings": {"input": "one two three"},
        "responses": {"input": "one two three"},
        "messages": {"messages": [{"role": "user", "content": "one two three"}], "max_tokens": 9},
        "moderations": {"input": "one two three"},
    }[path]
    streams = streams and path not in ("embeddings", "moderations")
    fields = {"model": "gpt-4o", **fields, **({"stream": True} if streams else {})}
    asked = {**fields, **ASKED} if streams and path == "completions" else fields

    def send(gate, bearer, data):
        fields = [("authorization", bearer), ("content-type", "application/json")]
        answer = gate.send("POST", f"/api/v1/{path}", fields, json.dumps(data).encode())
        assert (answer.status, answer.ended) == (200, "complete"), answer.everything()
        return re.sub(rb'"(item_id|\w*id)":"[^"]*"', b'"id":0', same(answer.body))

    assert send(gate, key.bearer, fields) == without_usage_event(send(bare, "Bearer any", asked))


# Bodies that ask for a stream in every way, and what the upstream gets: None if nothing changes, `...` if the option is
# put at the front. MSG stands for the messages.
MSG = b'"messages":[{"role":"user","content":"hi"}]'
BODIES = [
    ("compact", b'{"model":"gpt-4o",MSG,"stream":true}', ...),
    ("pretty", b'{\n  "stream": true,\n  "model": "gpt-4o", MSG\n}\n', ...),
    (
        "leading space",
        b' \n\t{"model":"gpt-4o","stream":true,MSG}',
        b" \n\t{" + ASK + b'"model":"gpt-4o","stream":true,MSG}',
    ),
    (
        "null",
        b'{"model":"gpt-4o","stream_options": null ,"stream":true,MSG}',
        b'{"model":"gpt-4o","stream_options": {"include_usage":true} ,"stream":true,MSG}',
    ),
    (
        "empty options",
        b'{"model":"gpt-4o","stream_options":{},"stream":true,MSG}',
        b'{"model":"gpt-4o","stream_options":{"include_usage":true},"stream":true,MSG}',
    ),
    (
        "false",
        b'{"model":"gpt-4o","stream_options":{ "include_usage" : false },"stream":true,MSG}',
        b'{"model":"gpt-4o","stream_options":{ "include_usage" : true },"stream":true,MSG}',
    ),
    (
        "another option",
        b'{"model":"gpt-4o","stream":true,MSG,"stream_options":{"include_obfuscation":false}}',
        b'{"model":"gpt-4o","stream":true,MSG,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
    ),
    ("asked", b'{"model":"gpt-4o","stream":true,' + ASK + b"MSG}", None),
    ("no stream", b'{"model":"gpt-4o","stream":false,MSG}', None),
    ("stream null", b'{"model":"gpt-4o","stream":null,MSG}', None),
    ("an upstream that refuses", b'{"model":"mistral-large","stream":true,MSG}', None),
    ("and its null", b'{"model":"mistral-large","stream":true,"stream_options":null,MSG}', None),
    ("escapes and unicode", '{"mod\\u0065l":"gpt-4o","stream":true,MSG,"user":"\u00e9\U0001f600"}'.encode(), ...),
    (
        "stream at the end of 2 MB",
        b'{"messages":[{"role":"user","content":"' + b"word " * 400_000 + b'"}],"model":"gpt-4o","stream":true}',
        ...,
    ),
    (
        "model at the end of 400 KB",
        b'{"stream":true,"messages":[{"role":"user","content":"' + b"word " * 80_000 + b'"}],"model":"gpt-4o"}',
        ...,
    ),
]


def expected(sent: bytes, goes_on) -> bytes:
    if goes_on is None:
        return sent
    return b"{" + ASK + sent[1:] if goes_on is ... else goes_on.replace(b"MSG", MSG)


def head(key, *more) -> bytes:
    return http1.request("POST", CHAT_PATH, headers(key, "no_usage;output_tokens=1", *more))


def whole(gate, key, data):
    return head(key, ("content-length", str(len(data)))) + data


def in_pieces(sizes):
    """The same request in several TCP segments: the first pieces of the body of these sizes."""

    def send(gate, key, data):
        with http1.connect(gate.port) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(head(key, ("content-length", str(len(data)))))
            received = r"^http\.api\.downstream_cx_rx_bytes_total$"
            at = 0
            for size in sizes:
                before = gate.envoy.stats(received)
                piece = data[at : at + size]
                at += size
                if not piece:
                    break
                s.sendall(piece)
                metered.wait_until("Envoy to read it", lambda b=before: gate.envoy.stats(received) != b)
            s.sendall(data[at:])
            return http1.receive(s, b"POST", 20)

    return send


def chunked(gate, key, data):
    with http1.connect(gate.port) as s:
        s.sendall(head(key, ("transfer-encoding", "chunked")))
        for at in range(0, len(data), 60_000):
            piece = data[at : at + 60_000]
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        s.sendall(b"0\r\n\r\n")
        return http1.receive(s, b"POST", 20)


def over_http2(gate, key, data):
    return http2.exchange(gate.port, "POST", CHAT_PATH, headers(key, "no_usage;output_tokens=1"), data, deadline=20)


def to_http2(gate, key, data):
    more = [("content-length", str(len(data))), metered.by("http2")]
    return http1.exchange(gate.port, head(key, *more) + data, deadline=20)


SENDERS = {
    "at once": lambda gate, key, data: http1.exchange(gate.port, whole(gate, key, data), deadline=20),
    "one byte first": in_pieces([1]),
    "three pieces": in_pieces([5, 20]),
    "a late brace": in_pieces([2, 1, 1, 1]),
    "chunked": chunked,
    "over HTTP/2": over_http2,
    "to HTTP/2": to_http2,
}


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("row", BODIES, ids=[row[0] for row in BODIES])
def test_what_the_upstream_gets(gate, key, row, sender):
    _, sent, goes_on = row
    sent = sent.replace(b"MSG", MSG)
    answer = SENDERS[sender](gate, key, sent)
    assert (answer.status, answer.ended) == (200, "complete"), answer.everything()[:2000]
    (request,) = metered.captured(gate)
    due = expected(sent, goes_on)
    if "text" in request["body"]:
        assert request["body"]["text"].encode() == due
    else:
        assert request["body"]["sha256"] == hashlib.sha256(due).hexdigest(), request["body"]
    assert request["body"]["length"] == len(due)
    lengths = [v for k, v in request["headers"] if k == "content-length"]
    assert lengths in ([], [str(len(due))]), "right where there is one"
    if sender in ("at once", "three pieces"):
        assert lengths, "what came with a length goes on with one"


@pytest.mark.parametrize("size", [100_000, 600_000, 900_000, 1_100_000, 2_000_000])
def test_a_large_body_that_arrives_at_once_gets_the_option_too(gate, key, size):
    """However much of it Envoy hands over at once, which cannot be predicted."""
    sent = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"' + b"w" * size + b'"}]}'
    for _ in range(8):
        assert SENDERS["at once"](gate, key, sent).status == 200
    asked = [request["body"]["length"] - len(sent) for request in metered.captured(gate)]
    assert asked == [len(ASK)] * 8


def test_the_upstream_is_asked_for_no_compression(gate, key):
    """Whatever encodings the client accepts, because a compressed answer hides its usage."""
    for value in ("gzip, deflate, br, zstd", "gzip;q=1.0", "*"):
        metered.post(gate, key, body(), "", ("accept-encoding", value))
    assert [s.values("accept-encoding") for s in gate.seen()] == [["identity"]] * 3


def test_the_provider_sees_its_own_key_only(gate, key):
    metered.post(gate, key, body(stream=True))
    (request,) = gate.seen()
    assert request.values("authorization") == [f"Bearer {PROVIDER_KEY}"]
