"""Framing, timing and protocol switches. Whatever happens around a request, the gate decides once, leaks nothing, and its
VM survives (the check after every test asserts that)."""

import socket
import time

import pytest

from harness import bootstrap, http1, http2
from harness.gate import Gate
from harness.hostile import CHAT
from harness.waiting import wait_until

PATH = "/api/v1/chat/completions"
JSON = ("content-type", "application/json")
WEBSOCKET = [
    ("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
]  # fmt: skip


@pytest.fixture(scope="module")
def key(shared_gate):
    """One key for all tests, with a limit that they do not reach."""
    return shared_gate.key("team")


def auth(key):
    return ("authorization", key.bearer)


# Bodies and trailers.


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)


@pytest.mark.parametrize("size", [1, 7, len(CHAT)])
def test_a_chunked_body_passes_as_it_is(gate, key, size):
    head = http1.request("POST", PATH, [auth(key), JSON, ("transfer-encoding", "chunked")])
    answer = http1.exchange(gate.port, head + chunked(CHAT, size) + b"0\r\n\r\n")
    assert answer.status == 200, answer.everything()
    assert [s.body for s in gate.seen()] == [CHAT.decode()]


def test_request_trailers_over_http1(gate, key):
    head = http1.request("POST", PATH, [auth(key), JSON, ("transfer-encoding", "chunked"), ("trailer", "x-t")])
    answer = http1.exchange(gate.port, head + chunked(CHAT, 9) + b"0\r\nx-t: 1\r\nx-gmtech-team-id: evil\r\n\r\n")
    assert answer.status == 200, answer.everything()
    assert [s.values("x-gmtech-team-id") for s in gate.seen()] == [[key.team]]


def test_request_trailers_over_http2(gate, key):
    trailers = [("x-t", "1"), ("x-gmtech-team-id", "evil"), ("x-high", b"\xff")]
    answer = http2.exchange(gate.port, "POST", PATH, [auth(key), JSON], CHAT, trailers)
    assert answer.status == 200, (answer.ended, answer.everything())
    assert [s.values("x-gmtech-team-id") for s in gate.seen()] == [[key.team]]


def test_trailers_without_a_body_over_http2(gate, key):
    answer = http2.exchange(gate.port, "GET", "/v1/models", [auth(key)], b"", [("x-t", "1")])
    assert answer.status == 200, (answer.ended, answer.everything())


def test_trailers_and_no_key(gate):
    answer = http2.exchange(gate.port, "POST", PATH, [JSON], CHAT, [("authorization", "Bearer x")])
    assert answer.status == 401
    assert gate.seen() == []


def test_expect_100_continue(gate, key):
    expect = [("expect", "100-continue"), ("content-length", str(len(CHAT)))]
    head = http1.request("POST", PATH, [auth(key), JSON, *expect])
    with http1.connect(gate.port) as s:
        s.sendall(head)
        assert s.recv(1024).startswith(b"HTTP/1.1 100"), "the body is asked for"
        s.sendall(CHAT)
        assert http1.receive(s).status == 200


def test_expect_100_continue_without_a_key(gate):
    head = http1.request("POST", PATH, [JSON, ("expect", "100-continue"), ("content-length", str(len(CHAT)))])
    answer = http1.exchange(gate.port, head)
    assert answer.status == 401, "the refusal comes without the body"
    assert gate.seen() == []


def test_two_requests_in_one_write_are_judged_one_by_one(gate, key):
    good = http1.request("GET", "/v1/models", [auth(key)])
    bad = http1.request("GET", "/v1/models", [])
    with http1.connect(gate.port) as s:
        s.sendall(good + bad)
        text = b""
        end = time.monotonic() + 5
        while text.count(b"HTTP/1.1 ") < 2 and time.monotonic() < end:
            text += s.recv(65536)
    assert text.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 401" in text
    assert len(gate.seen()) == 1


# Clients that go away.


@pytest.mark.parametrize("sent", [1, 10, 40, -len(CHAT), -1], ids=lambda n: f"after {n} bytes")
def test_a_client_that_closes_early(gate, key, sent):
    raw = http1.request("POST", PATH, [auth(key), JSON], CHAT)
    before = gate.envoy.stat("http.api.downstream_cx_destroy")
    with http1.connect(gate.port) as s:
        s.sendall(raw[:sent])
    wait_until("Envoy to see it", lambda: gate.envoy.stat("http.api.downstream_cx_destroy") > before)
    assert gate.models(key).status == 200, "the next one is served"


def test_a_client_that_resets_while_waiting_for_the_answer(gate, key):
    raw = http1.request("POST", PATH, [auth(key), JSON, ("x-mock", "delay_ms=1000")], CHAT)
    s = http1.connect(gate.port)
    s.sendall(raw)
    wait_until("the upstream to have it", gate.seen)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()
    wait_until("the row of it", lambda: [r for r in gate.rows() if "DC" in r.get("response_flags", "")])
    assert gate.rows()[0]["key_id"] == key.id


# Protocol switches.


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without"])
def test_websocket_upgrades_are_refused(gate, key, keyed):
    headers = [*WEBSOCKET, *([auth(key)] if keyed else [])]
    answer = gate.send("GET", "/v1/realtime?model=gpt-4o-realtime", headers)
    assert (answer.status, answer.error["code"]) == (400, "upgrade_not_supported")
    assert gate.seen() == []


def test_a_key_in_the_websocket_protocol_is_never_logged(gate, key):
    protocol = ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{key.text}")
    gate.send("GET", "/v1/realtime", [*WEBSOCKET, protocol])
    assert gate.seen() == []
    assert key.text not in str(gate.rows())


def test_websocket_over_http2(gate, key):
    pseudo = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "gate.test"),
              (":path", "/v1/realtime")]  # fmt: skip
    answer = http2.exchange(gate.port, "CONNECT", "/v1/realtime", [auth(key)], pseudo=pseudo)
    assert answer.status == 0, answer.everything()
    assert gate.seen() == []


def test_connect_over_http2(gate, key):
    pseudo = [(":method", "CONNECT"), (":authority", "gate.test:443")]
    answer = http2.exchange(gate.port, "CONNECT", "", [auth(key)], pseudo=pseudo)
    assert answer.status == 405, answer.everything()
    assert gate.seen() == []


def test_an_h2c_upgrade_is_no_way_around(gate):
    headers = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")]
    answer = gate.send("GET", "/v1/models", headers)
    assert answer.status == 401, "the upgrade is ignored, and the request has no key"
    assert gate.seen() == []


def test_pseudo_headers_twice(gate, key):
    paths = [(":path", "/healthz"), (":path", "/v1/models")]
    pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), *paths]
    answer = http2.exchange(gate.port, "GET", "/healthz", [auth(key)], pseudo=pseudo)
    assert answer.status == 0
    assert gate.seen() == []


# Redirects.


def test_a_redirect_of_the_upstream_is_the_clients_to_follow(gate, key):
    answer = gate.send("POST", PATH, [auth(key), JSON, ("x-mock", "redirect=/v1/models")], CHAT)
    assert answer.status == 302
    assert len(gate.seen()) == 1


def internal_redirects(config: dict) -> None:
    """A mistake in the deployment: Envoy follows the upstream's redirects itself, on every route."""
    for route in bootstrap.routes(config):
        if "route" in route:
            route["route"]["internal_redirect_policy"] = {"max_internal_redirects": 3}


REDIRECTS = [
    # location, the status that comes of it, what the log says of the second round
    ("http://gate.test/v1/models/gpt-4o", 401, "gmtech_invalid_api_key"),
    ("http://gate.test/api/v1/models", 401, "gmtech_invalid_api_key"),
    ("http://gate.test/v2/nowhere", 404, "gmtech_unknown_url"),
    ("http://gate.test/healthz", 200, "direct_response"),
    ("http://gate.test/healthz/../v1/models", 401, "gmtech_invalid_api_key"),
    ("http://gate.test//v1/models/gpt-4o", 401, "gmtech_invalid_api_key"),
]


@pytest.mark.parametrize(("location", "status", "details"), REDIRECTS, ids=[r[0] for r in REDIRECTS])
def test_an_internal_redirect_never_passes_unauthenticated(redirecting, location, status, details):
    """The second pass has no key, because the gate removed it in the first. So it is refused."""
    gate, key = redirecting
    answer = gate.send("GET", "/v1/models", [auth(key), ("x-mock", f"redirect={location}")])
    assert answer.status == status
    assert [r["response_code_details"] for r in gate.rows()] == ["internal_redirect", details]
    assert len(gate.seen()) == 1, "the second round has not reached the upstream"


@pytest.fixture(scope="module")
def redirecting(tmp_path_factory):
    """A gate with that mistake in its configuration, and a key of it."""
    gate = Gate(tmp_path_factory.mktemp("redirecting"), overlay=internal_redirects, kinds={"team": (1, "team", {})})
    yield gate, gate.key()
    gate.stop()
