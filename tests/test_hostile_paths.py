"""Paths and methods that try to avoid metering. Without a key no request reaches the upstream on any path, and free paths
stay free in every spelling."""

import pytest

from harness import http1
from harness.hostile import CHAT, Row

GET = {"method": "GET", "body": b""}


def none(_key):
    return []


FREE = "free"

TABLE: list[Row] = [
    # The free path answers without a key and without the upstream.
    Row("healthz", none, 200, 200, FREE, path="/healthz", **GET),
    Row("healthz with a query", none, 200, 200, FREE, path="/healthz?a=/api/v1/models", **GET),
    Row("healthz after a dot", none, 200, 200, FREE, path="/./healthz", **GET),
    Row("healthz through the API", none, 200, 200, FREE, path="/api/v1/../../healthz", **GET),
    Row("healthz with %2e%2e", none, 200, 200, FREE, path="/v1/%2e%2e/healthz", **GET),
    Row("healthz doubled slash", none, 200, 200, FREE, path="//healthz", **GET),
    # Everything that could be the API needs a key.
    Row("models", none, 401, 401, path="/api/v1/models", **GET),
    Row("chat", none, 401, 401),
    Row("API through healthz", none, 401, 401, path="/healthz/../v1/chat/completions"),
    Row("API through healthz, %2e%2e", none, 401, 401, path="/healthz/%2e%2e/v1/chat/completions"),
    Row("API through healthz, %2E.", none, 401, 401, path="/healthz/%2E./api/v1/chat/completions"),
    Row("doubled slash", none, 401, 401, path="//v1/chat/completions"),
    Row("slashes everywhere", none, 401, 401, path="////api///v1//chat/completions"),
    Row("dot segment", none, 401, 401, path="/api/./v1/chat/completions"),
    Row("encoded letters", none, 401, 401, path="/%61pi/v1/chat/completions"),
    Row("healthz as a query", none, 401, 401, path="/api/v1/chat/completions?/healthz"),
    Row("above the root", none, 401, 401, path="/../../v1/models", **GET),
    Row("semicolon", none, 401, 401, path="/api/v1/chat/completions;/healthz"),
    Row("high bytes", none, 400, 401, path=b"/api/v1/\xff\xfe"),
    Row("a 20 KB path", none, 401, 401, path="/api/v1/" + "a" * 20_000, **GET),
    # Not paths of ours.
    Row("root", none, 404, 404, path="/", **GET),
    Row("another version", none, 404, 404, path="/v2/chat/completions"),
    Row("v1 without a slash", none, 404, 404, path="/v1", **GET),
    Row("v1 and more letters", none, 404, 404, path="/v1x/models", **GET),
    Row("upper case", none, 404, 404, path="/API/V1/models", **GET),
    Row("healthz and more", none, 404, 404, path="/healthz/", **GET),
    Row("healthz and more letters", none, 404, 404, path="/healthzz", **GET),
    Row("healthz with a semicolon", none, 404, 404, path="/healthz;/v1/models", **GET),
    Row("the mock's own pages", none, 404, 404, path="/__mock/requests", **GET),
    Row("the mock's own pages through the API", none, 404, 404, path="/v1/../__mock/requests", **GET),
    # Spellings that are refused outright; over HTTP/2 Envoy ends the connection for some of them.
    Row("encoded slash", none, 400, 400, path="/v1%2fchat/completions"),
    Row("encoded slash and dots", none, 400, 400, path="/healthz%2f..%2fv1/models", **GET),
    Row("encoded backslash", none, 400, 400, path="/healthz%5c..%5cv1/models", **GET),
    Row("backslash", none, 400, 0, path="\\v1\\models", **GET),
    Row("NUL", none, 400, 0, path=b"/api/v1/models\0", **GET),
    Row("encoded NUL", none, 400, 400, path="/api/v1/models%00", **GET),
    Row("fragment", none, 400, 400, path="/api/v1/models#/healthz", **GET),
    Row("no slash", none, 400, 0, path="v1/models", **GET),
    Row("empty path", none, None, 0, path="", **GET),
    # Methods.
    Row("PUT", none, 401, 401, method="PUT"),
    Row("DELETE", none, 401, 401, method="DELETE", body=b"", path="/v1/files/x"),
    Row("PATCH", none, 401, 401, method="PATCH"),
    Row("HEAD", none, 401, 401, method="HEAD", body=b"", path="/v1/models"),
    Row("TRACE", none, 405, 405, method="TRACE", body=b"", path="/v1/models"),
    Row("an invented method", none, 400, 405, method="STEAL", path="/v1/models"),
    Row("a lower-case post", none, 400, 405, method="post"),
    Row("OPTIONS without Origin", none, 204, 204, FREE, method="OPTIONS", body=b""),
    Row("OPTIONS on an unknown path", none, 204, 204, FREE, method="OPTIONS", body=b"", path="/v2/models"),
    Row("OPTIONS with a body", none, 204, 204, FREE, method="OPTIONS"),
]


def judge(gate, answer, status: int, row: Row) -> None:
    assert answer.status == status, (answer.ended, answer.everything())
    assert gate.seen() == [], "nothing without a key reaches the upstream"
    if status >= 400 and row.method != "HEAD":
        assert answer.error


@pytest.mark.parametrize("row", [r for r in TABLE if r.h1 is not None], ids=[r.name for r in TABLE if r.h1 is not None])
def test_http1(gate, row):
    judge(gate, row.send_http1(gate.port, None), row.h1, row)


@pytest.mark.parametrize("row", [r for r in TABLE if r.h2 is not None], ids=[r.name for r in TABLE if r.h2 is not None])
def test_http2(gate, row):
    judge(gate, row.send_http2(gate.port, None), row.h2, row)


LENGTH = b"content-length: %d\r\n\r\n" % len(CHAT)
RAW = [
    # name, bytes, status; 0: closed without an answer
    ("absolute form", b"POST http://gate.test/v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + LENGTH + CHAT, 401),
    ("absolute form of healthz, path of the API",
     b"GET http://gate.test/healthz/../v1/models HTTP/1.1\r\nhost: x\r\n\r\n", 401),
    ("absolute form with credentials", b"GET http://a:b@gate.test/v1/models HTTP/1.1\r\nhost: x\r\n\r\n", 401),
    ("CONNECT", b"CONNECT gate.test:443 HTTP/1.1\r\nhost: gate.test:443\r\n\r\n", 405),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 404),
    ("HTTP/1.0", b"GET /v1/models HTTP/1.0\r\nhost: x\r\n\r\n", 426),
    ("no host", b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 401),
    ("high bytes in host", b"GET /v1/models HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n", 400),
    ("no version", b"GET /v1/models\r\n\r\n", 426),
    ("bare LF", b"GET /v1/models HTTP/1.1\nhost: x\n\n", 401),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("noise", bytes(range(256)) * 4, 400),
    ("length and chunked", b"POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
     b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", b"POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    ("negative length", b"POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
    ("odd transfer coding", b"POST /v1/models HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501),
]  # fmt: skip


@pytest.mark.parametrize(("name", "raw", "status"), RAW, ids=[r[0] for r in RAW])
def test_bytes_on_the_wire(gate, name, raw, status):
    answer = http1.exchange(gate.port, raw, deadline=5)
    assert answer.status == status, (answer.ended, answer.everything())
    assert gate.seen() == []
