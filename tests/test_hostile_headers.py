"""Valid keys with hostile headers: identities that only the gate may set, bytes that break simple parsers, and headers that
control Envoy. The upstream gets the gate's attribution exactly once, or no request at all."""

import pytest

from harness import keys
from harness.hostile import Row, passes, with_key

SPOOFS = [
    "x-gmtech-team-id",
    "X-Gmtech-Team-Id",
    "X-GMTECH-TEAM-ID",
    "x_gmtech_team_id",
    "X_GMTECH_TEAM_ID",
    "x-gmtech_team-id",
    "x-gmtech-team_id",
    "x_gmtech-team-id",
    "x-gmtech-key-id",
    "x-gmtech-tier",
    "x-gmtech-model",
    "x-gmtech-anything",
    "x-gmtech-",
]
# A name that any upstream could read as one of ours has these letters in it.
OURS = {"x-gmtech-team-id", "x-gmtech-key-id", "x-gmtech-tier", "x-gmtech-model"}

HIGH = b"\xff\x80\xc3(\xe2\x82"
ANY_VALUE = [
    "accept", "accept-encoding", "accept-language", "user-agent", "referer", "origin", "cookie",
    "x-request-id", "x-custom", "x-stainless-lang", "openai-organization", "openai-beta", "idempotency-key",
    "x-gmtech-team-id", "x-api-key", "x-goog-api-key", "traceparent", "sec-websocket-protocol",
    "x-envoy-original-path", "forwarded", "x-ratelimit-limit-requests", "content-language",
]  # fmt: skip

TABLE: list[Row] = [
    *[passes(f"spoof {n}", with_key((n.lower(), "evil"))) for n in SPOOFS if n == n.lower()],
    *[Row(f"spoof {n}", with_key((n, "evil")), 200, None) for n in SPOOFS if n != n.lower()],
    passes("spoof twice", with_key(("x-gmtech-team-id", "evil"), ("x-gmtech-team-id", "worse"))),
    passes("spoof in all spellings at once", with_key(*[(n.lower(), "evil") for n in SPOOFS])),
    passes("spoof of high bytes", with_key(("x-gmtech-team-id", HIGH))),
    passes("spoof, empty", with_key(("x-gmtech-team-id", ""))),
    passes("spoof of 20 KB", with_key(("x-gmtech-team-id", "e" * 20_000))),
    Row("spoof named in connection", with_key(("connection", "x-gmtech-team-id, x-gmtech-key-id")), 200, 0),
    *[passes(f"high bytes in {name}", with_key((name, HIGH))) for name in ANY_VALUE],
    passes("high bytes in content-type", lambda k: [("authorization", k.bearer), ("content-type", HIGH)]),
    passes("key headers of other providers", with_key(
        ("x-api-key", "sk-ant-x"), ("api-key", "azure"), ("x-goog-api-key", "AIza"))),
    passes("the client's OpenAI account", with_key(("openai-organization", "org-x"), ("openai-project", "proj_x"))),
    passes("headers that steer Envoy", with_key(
        ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "9"), ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-upstream-alt-stat-name", "evil"), ("x-envoy-original-path", "/healthz"),
        ("x-envoy-internal", "true"), ("x-forwarded-for", "127.0.0.1"), ("x-envoy-decorator-operation", "evil"))),
    passes("a request id of the client's", with_key(("x-request-id", "chosen-by-the-client"))),
    passes("method override", with_key(("x-http-method-override", "DELETE"), ("x-original-url", "/healthz"),
                                       ("x-rewrite-url", "/healthz"))),
    passes("90 headers", with_key(*[(f"x-h{i}", "v") for i in range(80)])),
    Row("300 headers", with_key(*[(f"x-h{i}", "v") for i in range(300)]), 431, 0),
    passes("a 20 KB header", with_key(("x-long", "v" * 20_000))),
    Row("100 KB of headers", with_key(*[(f"x-h{i}", "v" * 2_000) for i in range(50)]), 431, 0),
    Row("NUL in a value", with_key(("x-custom", b"a\0b")), 400, 0),
    Row("NUL in a name", with_key((b"x-cu\0stom", "v")), 400, 0),
    Row("high bytes in a name", with_key((b"x-\xff\xfe", "v")), 400, 0),
    Row("high bytes in a spoofed name", with_key((b"x-gmtech-team\xff-id", "v")), 400, 0),
    Row("a space in a name", with_key(("x-gmtech-team-id ", "v")), 400, 0),
    Row("an empty name", with_key(("", "v")), 400, 0),
    Row("a folded line", with_key(("x-custom", "a\r\n x-gmtech-team-id: evil")), 200, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def key(shared_gate):
    """One key for the whole table, with a limit that the table does not reach."""
    return shared_gate.key("team")


def judge(gate, row: Row, key, answer, status: int) -> None:
    assert answer.status == status, (answer.ended, answer.everything())
    assert not keys.leaked_in(answer.everything()), "the answer shows a key"
    seen = gate.seen()
    assert len(seen) == (1 if status == 200 else 0), seen
    if status >= 400:
        assert answer.error
    for request in seen:
        ours = {n for n in request.names() if "gmtech" in n}
        assert ours <= OURS, f"only the gate's own names reach the upstream: {ours}"
        assert request.values("x-gmtech-team-id") == [key.team]
        assert request.values("x-gmtech-key-id") == [key.id]
        assert request.values("x-gmtech-tier") == [key.tier]
        assert "evil" not in repr([v for n, v in request.headers if "gmtech" in n.lower()])
        assert request.values("authorization") == ["Bearer provider-secret-for-the-mock"]
        for name in ("x-api-key", "api-key", "x-goog-api-key", "openai-organization", "openai-project"):
            assert request.values(name) == [], f"{name} reached the upstream"
        assert request.values("x-request-id") not in ([], ["chosen-by-the-client"])
        assert len(request.values("x-request-id")) == 1


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_http1(gate, key, row):
    judge(gate, row, key, row.send_http1(gate.port, key), row.h1)


@pytest.mark.parametrize("row", [r for r in TABLE if r.h2 is not None], ids=[r.name for r in TABLE if r.h2 is not None])
def test_http2(gate, key, row):
    judge(gate, row, key, row.send_http2(gate.port, key), row.h2)
