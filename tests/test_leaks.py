"""A key in a wrong place: wherever a customer puts it, it appears in no log, no metric and no answer.

Logs and metrics are searched after every test. These tests cover the places where a leak is most likely.
"""

import json
from urllib.parse import quote

import pytest

from harness import http2, keys

PATH = "/api/v1/chat/completions"


def percent(text: str) -> str:
    """Every character as %XX."""
    return "".join(f"%{ord(c):02x}" for c in text)


# name, method, path, headers, body: with `k` a good key's text, which is also sent as it should be
PLACES = [
    ("the path", "GET", lambda k: f"/v1/models/{k}", [], None),
    ("the path, unknown", "GET", lambda k: f"/{k}", [], None),
    ("the path, first letter encoded", "GET", lambda k: f"/v1/models/%67{k[1:]}", [], None),
    ("the path, underscore encoded", "GET", lambda k: f"/v1/models/gmtech%5F{k[7:]}", [], None),
    ("the path, all encoded", "GET", lambda k: f"/v1/models/{percent(k)}", [], None),
    ("the path, a letter of the secret encoded", "GET", lambda k: f"/v1/{k[:9]}%{ord(k[9]):02x}{k[10:]}", [], None),
    ("the path, twice", "GET", lambda k: f"/v1/{k}/{k}", [], None),
    ("the path of healthz", "GET", lambda k: f"/healthz/{k}", [], None),
    ("the path, dot segments", "GET", lambda k: f"/{k}/../v1/models", [], None),
    ("the query", "GET", lambda k: f"/v1/models?api_key={k}", [], None),
    ("the query of healthz", "GET", lambda k: f"/healthz?key={k}", [], None),
    ("the query, encoded", "GET", lambda k: f"/v1/models?api_key={quote(k).replace('_', '%5f')}", [], None),
    ("the path, encoded slash", "GET", lambda k: f"/v1/models%2f{k}", [], None),
    ("the path, high bytes after it", "GET", lambda k: f"/v1/models/{k}\xff", [], None),
    ("the path, NUL after it", "GET", lambda k: f"/v1/models/{k}%00", [], None),
    ("the path, backslash", "GET", lambda k: f"/v1/models\\{k}", [], None),
    ("a fragment", "GET", lambda k: f"/v1/models#{k}", [], None),
    ("user-agent", "GET", "/v1/models", [("user-agent", lambda k: k)], None),
    ("referer", "GET", "/v1/models", [("referer", lambda k: f"https://a.example/?key={k}")], None),
    ("x-request-id", "GET", "/v1/models", [("x-request-id", lambda k: k)], None),
    ("origin", "GET", "/nowhere", [("origin", lambda k: f"https://{k}")], None),
    ("a header that must not pass", "GET", "/v1/models", [("x-gmtech-team-id", lambda k: k)], None),
    ("x-envoy-original-path", "GET", "/v1/models", [("x-envoy-original-path", lambda k: f"/{k}")], None),
    ("traceparent", "GET", "/v1/models", [("traceparent", lambda k: k)], None),
    ("the websocket protocol", "GET", "/v1/realtime", [
        ("connection", "Upgrade"), ("upgrade", "websocket"),
        ("sec-websocket-protocol", lambda k: f"realtime, openai-insecure-api-key.{k}")], None),
    ("the upgrade", "GET", "/v1/realtime", [("connection", "Upgrade"), ("upgrade", lambda k: k)], None),
    ("the model", "POST", PATH, [], lambda k: {"model": k, "messages": []}),
    ("the messages", "POST", PATH, [], lambda k: {"model": "gpt-4o", "messages": [{"role": "user", "content": k}]}),
    ("a field's name", "POST", PATH, [], lambda k: {"model": "gpt-4o", "messages": [], k: 1}),
]  # fmt: skip


def filled(value, text: str):
    return value(text) if callable(value) else value


@pytest.mark.parametrize(("name", "method", "path", "headers", "body"), PLACES, ids=[p[0] for p in PLACES])
def test_a_key_in(gate, name, method, path, headers, body):
    gate.upstream_may_see_keys = True  # a customer may send it to the upstream in a text; never in a log
    key = gate.key("team")
    content = json.dumps(body(key.text)).encode() if body else b""
    sent = [("authorization", key.bearer), *[(n, filled(v, key.text)) for n, v in headers]]
    if body:
        sent.append(("content-type", "application/json"))
    answer = gate.send(method, filled(path, key.text), sent, content)
    assert answer.status > 0, answer.ended
    if not gate.seen():
        assert not keys.leaked_in(answer.everything()), "the gate's own answer shows the key"


@pytest.mark.parametrize("place", [":method", ":authority", ":scheme"])
def test_a_key_in_a_pseudo_header(gate, place):
    gate.upstream_may_see_keys = True
    key = gate.key("team")
    pseudo = {":method": "GET", ":scheme": "http", ":authority": "gate.test", ":path": "/v1/models", place: key.text}
    answer = http2.exchange(gate.port, "", "", [("authorization", key.bearer)], pseudo=list(pseudo.items()), deadline=2)
    if not gate.seen():
        assert not keys.leaked_in(answer.everything())
    assert gate.rows() is not None
