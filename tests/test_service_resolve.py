"""A request with a key that the gate does not know yet waits while the service is asked. Whatever arrives meanwhile, in
whatever pieces: nothing is lost, nothing hangs, and nothing passes that should not."""

import json
import threading

import pytest

from harness import http1, http2, metered
from harness.http1 import Answer
from harness import service as services
from harness.fault_proxy import FaultProxy
from harness.waiting import wait_until

CHAT = metered.CHAT_PATH


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Service, gate, and between them a fault_proxy that can hold answers back."""
    directory = tmp_path_factory.mktemp("resolve")
    service = services.Service(directory)
    fault_proxy = FaultProxy(service.sync_port)
    # The budget for questions is the concern of other tests.
    gate = services.gate(directory, fault_proxy.port, settings={"resolves_per_second": 1000})
    services.ready(gate)
    yield service, fault_proxy, gate
    fault_proxy.behave()
    gate.stop()
    fault_proxy.stop()
    service.stop()


class Asked:
    """Requests are sent while their key is asked about; `answer()` lets the question be answered."""

    def __init__(self, stack):
        self.service, self.fault_proxy, self.gate = stack
        # Otherwise the key could become known by the poll before the request is there.
        self.fault_proxy.hold("resolve", "changes")

    def received(self) -> int:
        return self.gate.envoy.stat("http.api.downstream_cx_rx_bytes_total")

    def held(self, raw: bytes, count: int = 1) -> None:
        """Until Envoy has read `raw` and the question waits."""
        self.fault_proxy.wait_held("resolve", count)
        wait_until("Envoy to read it", lambda: self.received() >= self.before + len(raw))

    def mark(self) -> None:
        self.before = self.received()

    def http1(self, before: list[bytes], after: list[bytes] = ()) -> Answer:
        """The pieces before the answer each in a packet of its own, those after it too."""
        self.mark()
        with http1.connect(self.gate.port) as s:
            sent = b""
            for piece in before:
                s.sendall(piece)
                sent += piece
                self.held(sent)
            self.fault_proxy.release("resolve")
            for piece in after:
                s.sendall(piece)
                sent += piece
                wait_until("Envoy to read it", lambda: self.received() >= self.before + len(sent))
            return http1.receive(s)

    def http2(self, *args, body=b"", **options) -> Answer:
        """All of it before the answer."""
        self.mark()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(http2.exchange(self.gate.port, *args, body=body, **options)))
        asking.start()
        self.held(body)
        self.fault_proxy.release("resolve")
        asking.join()
        return answers[0]


@pytest.fixture
def asked(stack):
    asked = Asked(stack)
    yield asked
    stack[1].behave()


def head(key, length: int | None = None, *more) -> bytes:
    framing = ("content-length", str(length)) if length is not None else ("transfer-encoding", "chunked")
    return http1.request("POST", CHAT, [*metered.headers(key), framing, *more])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


BODY = metered.body()
THIRD = len(BODY) // 3
PIECES = [BODY[:THIRD], BODY[THIRD : 2 * THIRD], BODY[2 * THIRD :]]
END = b"0\r\n\r\n"
TRAILERS = b"0\r\nx-late: 1\r\n\r\n"

# What arrives before the key is known, and what after. `h` is the head.
ARRIVALS = {
    "all at once": lambda k: ([head(k, len(BODY)) + BODY], []),
    "head, then body": lambda k: ([head(k, len(BODY)), BODY], []),
    "in pieces": lambda k: ([head(k, len(BODY)), *PIECES], []),
    "the body later": lambda k: ([head(k, len(BODY))], [BODY]),
    "the body later in pieces": lambda k: ([head(k, len(BODY))], PIECES),
    "half now, half later": lambda k: ([head(k, len(BODY)), PIECES[0]], PIECES[1:]),
    "chunked": lambda k: ([head(k), *map(chunk, PIECES), END], []),
    "chunked, its end later": lambda k: ([head(k), *map(chunk, PIECES)], [END]),
    "chunked, half later": lambda k: ([head(k), chunk(PIECES[0])], [chunk(PIECES[1]), chunk(PIECES[2]), END]),
    "chunked, with trailers": lambda k: ([head(k), *map(chunk, PIECES), TRAILERS], []),
    "chunked, trailers later": lambda k: ([head(k), *map(chunk, PIECES)], [TRAILERS]),
}


# Who may use the key: anybody, or clients of these addresses, which are asked about once the key is known.
BOUNDS = [{}, {"allowed_ips": ["127.0.0.0/8", "::1"]}]


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("bounds", BOUNDS, ids=["anybody", "addresses"])
def test_a_body_that_arrives_meanwhile_goes_on_whole(asked, bounds, arrival):
    key = asked.service.key(**bounds)
    answer = asked.http1(*ARRIVALS[arrival](key))
    assert answer.status == 200, answer.everything()
    (seen,) = asked.gate.seen()
    assert json.loads(seen.body) == json.loads(BODY)
    assert seen.values("x-gmtech-key-id") == [key.id]
    assert metered.charge(asked.gate, key).source == "exact"


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_a_stream_that_waits_still_asks_for_its_usage(asked, arrival, monkeypatch):
    data = metered.body(stream=True)
    third = len(data) // 3
    monkeypatch.setitem(globals(), "BODY", data)
    monkeypatch.setitem(globals(), "PIECES", [data[:third], data[third : 2 * third], data[2 * third :]])
    key = asked.service.key()
    answer = asked.http1(*ARRIVALS[arrival](key))
    assert answer.status == 200, answer.everything()
    (seen,) = asked.gate.seen()
    assert json.loads(seen.body) == {**json.loads(data), "stream_options": {"include_usage": True}}
    assert metered.charge(asked.gate, key).source == "exact"


def test_a_request_without_a_body(asked):
    key = asked.service.key()
    raw = http1.request("GET", "/api/v1/models", [("authorization", key.bearer)])
    assert asked.http1([raw]).status == 200


@pytest.mark.parametrize(
    ("body", "trailers"), [(b"", []), (BODY, []), (BODY, [("x-late", "1")])], ids=["no body", "body", "trailers"]
)
def test_over_http2(asked, body, trailers):
    key = asked.service.key()
    method, path = ("POST", CHAT) if body else ("GET", "/api/v1/models")
    answer = asked.http2(method, path, metered.headers(key), body=body, trailers=trailers)
    assert answer.status == 200, answer.everything()
    (seen,) = asked.gate.seen()
    assert (seen.body or "").encode() == body


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("body", [b"", BODY], ids=["no body", "body"])
def test_a_key_that_does_not_exist_is_refused_after_the_question(asked, version, body):
    key = services.keys.make()
    method, path = ("POST", CHAT) if body else ("GET", "/api/v1/models")
    if version == "HTTP/2":
        answer = asked.http2(method, path, metered.headers(key), body=body)
    else:
        answer = asked.http1([http1.request(method, path, metered.headers(key), body)])
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert not asked.gate.seen()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("revoke", 403, "key_revoked"), ("suspend", 401, "invalid_api_key")],
)
def test_a_key_that_ended_before_it_was_known(asked, change, status, code):
    key = asked.service.key()
    asked.service.change(key, change)
    answer = asked.http1([http1.request("POST", CHAT, metered.headers(key), BODY)])
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_large_body_waits_where_it_is(asked, streamed):
    """Envoy stops reading at its buffer's limit. The sender waits, and the body still arrives whole."""
    key = asked.service.key()
    data = metered.body("word " * 300_000, **({"stream": True} if streamed else {}))
    with http1.connect(asked.gate.port) as s:
        sender = threading.Thread(target=lambda: s.sendall(head(key, len(data), ("x-mock", "output_tokens=5")) + data))
        sender.start()
        asked.fault_proxy.wait_held("resolve")
        asked.fault_proxy.release("resolve")
        answer = http1.receive(s)
        sender.join()
    assert answer.status == 200, answer.everything()[:2000]
    (seen,) = metered.captured(asked.gate)
    more = len('"stream_options":{"include_usage":true},') if streamed else 0
    assert seen["body"]["length"] == len(data) + more
    assert metered.charge(asked.gate, key).source == "exact"


def test_a_client_that_hangs_up_meanwhile(asked):
    key = asked.service.key()
    for raw in (http1.request("GET", "/api/v1/models", metered.headers(key)), head(key, len(BODY)) + PIECES[0]):
        asked.fault_proxy.hold("resolve", "changes")
        rows = len(asked.gate.rows())
        with http1.connect(asked.gate.port) as s:
            s.sendall(raw)
            asked.fault_proxy.wait_held("resolve")
        (row,) = wait_until("its row", lambda: asked.gate.rows()[rows:])
        assert row.get("response_code", 0) == 0, row
        asked.fault_proxy.release("resolve")
        # The answer is for a stream that has gone. The worker goes on, with all its state.
        assert asked.gate.send("GET", "/healthz").status == 200
    assert not asked.gate.seen()
    asked.fault_proxy.release()
    assert asked.gate.models(key).status == 200


def test_many_at_once_with_one_new_key(asked):
    key = asked.service.key()
    raw = http1.request("POST", CHAT, metered.headers(key), BODY)
    sockets = [http1.connect(asked.gate.port) for _ in range(10)]
    for s in sockets:
        s.sendall(raw)
    asked.fault_proxy.wait_held("resolve", len(sockets))
    asked.fault_proxy.release("resolve")
    assert [http1.receive(s).status for s in sockets] == [200] * len(sockets)
    for s in sockets:
        s.close()
    assert len(asked.gate.seen()) == len(sockets)


# How the question can fail: each is a 503 that a client tries again, never a 401.
FAILURES = {
    "an error": lambda: (500, b"{}"),
    "overload": lambda: (503, b""),
    "refused": lambda: (401, b"{}"),
    "not found": lambda: (404, b""),
    "rubbish": lambda: (200, b"<html>It works!</html>"),
    "nothing": lambda: (200, b""),
    "far too much": lambda: (200, b"\x01" * 300_000),
    "a cut frame": lambda: (200, bytes([1, 2, 0]) + b"\x00" * 7),
    "broken off": lambda: None,
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("body", [b"", BODY], ids=["no body", "body"])
def test_a_question_that_fails_is_a_503_to_try_again(asked, failure, body):
    key = asked.service.key()
    asked.fault_proxy.instead("resolve", FAILURES[failure])
    asked.fault_proxy.release("resolve")
    method, path = ("POST", CHAT) if body else ("GET", "/api/v1/models")
    answer = asked.gate.send(method, path, metered.headers(key), body)
    assert answer.status == 503, answer.everything()
    assert answer.header("x-should-retry") != "false" and answer.header("retry-after"), answer.headers
    assert answer.error["type"] == "server_error"
    asked.fault_proxy.behave()
    assert asked.gate.models(key).status == 200


@pytest.mark.parametrize("body", [b"", BODY], ids=["no body", "body"])
def test_a_question_that_is_never_answered_is_a_503_after_a_second(asked, body):
    key = asked.service.key()
    method, path = ("POST", CHAT) if body else ("GET", "/api/v1/models")
    answer = asked.gate.send(method, path, metered.headers(key), body)
    assert answer.status == 503, answer.everything()
    (row,) = [r for r in asked.gate.rows() if r.get("response_code") == 503]
    assert 900 <= int(row["duration_ms"]) <= 2000, row
    asked.fault_proxy.behave()
    assert asked.gate.models(key).status == 200
