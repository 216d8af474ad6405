"""Hostile and mistaken credentials. Each mistake is refused with 401 and a message that names it, in both protocols.
Variants that SDKs send by accident (letter case, spaces) pass."""

import pytest

from harness import keys
from harness.hostile import Row, authorization, passes, refused, with_key

OTHER = keys.new_text()
HALF = 28

TABLE: list[Row] = [
    # Nothing, or not a Bearer credential.
    refused("no header", lambda k: [], says="no key was sent"),
    refused("empty value", authorization(""), says="empty"),
    refused("Bearer and nothing", authorization("Bearer"), says="empty"),
    refused("Bearer and spaces", authorization("Bearer   "), says="empty"),
    refused("Basic", authorization("Basic dXNlcjpwYXNz"), says="Bearer scheme"),
    refused("Basic with the key in it", authorization(lambda k: f"Basic {k.text}"), says="Bearer scheme"),
    refused("the bare key", authorization(lambda k: k.text), says="Bearer scheme"),
    refused("Token scheme", authorization(lambda k: f"Token {k.text}"), says="Bearer scheme"),
    refused("Bearer glued to the key", authorization(lambda k: f"Bearer{k.text}"), says="Bearer scheme"),
    refused("Bearer: with a colon", authorization(lambda k: f"Bearer: {k.text}"), says="Bearer scheme"),
    # White space, quotes, doubled words.
    passes("lower-case scheme", authorization(lambda k: f"bearer {k.text}")),
    passes("upper-case scheme", authorization(lambda k: f"BEARER {k.text}")),
    passes("several spaces", authorization(lambda k: f"Bearer    {k.text}")),
    passes("a tab after the scheme", authorization(lambda k: f"Bearer\t{k.text}")),
    Row("trailing space", authorization(lambda k: f"{k.bearer} "), 200, 200),
    Row("trailing tab", authorization(lambda k: f"{k.bearer}\t"), 200, 200),
    refused("Bearer twice", authorization(lambda k: f"Bearer Bearer {k.text}"), says="twice"),
    refused("bearer Bearer", authorization(lambda k: f"bearer  BEARER {k.text}"), says="twice"),
    refused("double quotes", authorization(lambda k: f'Bearer "{k.text}"'), says="quotation marks"),
    refused("single quotes", authorization(lambda k: f"Bearer '{k.text}'"), says="quotation marks"),
    refused("a quote at the end", authorization(lambda k: f'{k.bearer}"'), says="quotation marks"),
    refused(
        "a space inside",
        authorization(lambda k: f"Bearer {k.text[:HALF]} {k.text[HALF:]}"),
        says="white space inside",
    ),
    refused(
        "a tab inside",
        authorization(lambda k: f"Bearer {k.text[:HALF]}\t{k.text[HALF:]}"),
        says="white space inside",
    ),
    # Not this key.
    refused("another provider's key", authorization("Bearer sk-proj-abcdefgh"), says="'gmtech_'"),
    refused("upper-case prefix", authorization(lambda k: f"Bearer {k.text.upper()}"), says="'gmtech_'"),
    refused("the prefix alone", authorization("Bearer gmtech_"), says="mistyped"),
    refused("one digit wrong", authorization(lambda k: f"Bearer {keys.mistyped(k.text)}"), says="mistyped"),
    refused("cut", authorization(lambda k: k.bearer[:-1]), says="mistyped"),
    refused("one character more", authorization(lambda k: f"{k.bearer}a"), says="mistyped"),
    refused("well formed but unknown", authorization(f"Bearer {OTHER}"), says="not active"),
    refused("the digest in place of the key", authorization(lambda k: f"Bearer {k.digest}"), says="'gmtech_'"),
    refused("gmtech_ and the digest", authorization(lambda k: f"Bearer gmtech_{k.digest}"), says="mistyped"),
    refused("the key's id", authorization(lambda k: f"Bearer {k.id}"), says="'gmtech_'"),
    # Bytes that no key has.
    refused("0xff after the key", authorization(lambda k: k.bearer.encode() + b"\xff"), says="character"),
    refused("0x80 in the key", authorization(b"Bearer gmtech_abc\x80def"), says="character"),
    refused("0xff alone", authorization(b"Bearer \xff"), says="'gmtech_'"),
    refused("all high bytes", authorization(b"Bearer gmtech_" + bytes(range(0x80, 0x100))), says="character"),
    refused("cut UTF-8", authorization(b"Bearer gmtech_\xe2\x82"), says="character"),
    refused("UTF-8 letters", authorization("Bearer gmtech_schlüssel".encode()), says="character"),
    refused("a scheme of high bytes", authorization(b"\xff\xfe gmtech_abc"), says="Bearer scheme"),
    refused("no-break space before the key", authorization(lambda k: b"Bearer \xa0" + k.text.encode())),
    refused("%00 in words", authorization(lambda k: f"{k.bearer}%00"), says="mistyped"),
    Row("NUL at the end", authorization(lambda k: k.bearer.encode() + b"\0"), 400, 0),
    Row("NUL inside", authorization(b"Bearer gmtech_\0abc"), 400, 0),
    Row("CR inside", authorization(b"Bearer gmtech_\rabc"), 401, 0),
    Row("LF and a header", authorization(b"Bearer x\nx-gmtech-team-id: acme"), 401, 0),
    # Sizes.
    refused("20 KB key", authorization("Bearer gmtech_" + "a" * 20_000), says="longer than a key"),
    refused("20 KB of another key", authorization("Bearer " + "s" * 20_000), says="'gmtech_'"),
    refused("20 KB of spaces", authorization("Bearer" + " " * 20_000 + "x"), says="'gmtech_'"),
    refused("20 KB of Bearer", authorization("Bearer " * 3_000), says="twice"),
    refused("20 KB of commas", authorization("Bearer gmtech_" + "," * 20_000), says="longer than a key"),
    refused("a good key and 20 KB", authorization(lambda k: k.bearer + "a" * 20_000), says="longer than a key"),
    Row("a 100 KB key", authorization("Bearer gmtech_" + "a" * 100_000), 431, 0),
    # Several.
    refused(
        "two headers, good and bad",
        lambda k: [("authorization", k.bearer), ("authorization", f"Bearer {OTHER}")],
        says="several keys",
    ),
    refused(
        "two headers, bad and good",
        lambda k: [("authorization", "Bearer sk-x"), ("authorization", k.bearer)],
        says="several keys",
    ),
    refused(
        "two headers, Basic and good",
        lambda k: [("authorization", "Basic eDp5"), ("authorization", k.bearer)],
    ),
    refused(
        "two headers, good and Basic",
        lambda k: [("authorization", k.bearer), ("authorization", "Basic eDp5")],
    ),
    refused(
        "merged by the client",
        authorization(lambda k: f"{k.bearer}, Bearer {OTHER}"),
        says="several keys",
    ),
    refused("two keys, one Bearer", authorization(lambda k: f"{k.bearer},{OTHER}")),
    refused("ten headers", lambda k: [("authorization", k.bearer)] * 9 + [("authorization", "Bearer x")]),
    # In another place.
    refused("x-api-key", lambda k: [("x-api-key", k.text)], says="another header"),
    refused("api-key", lambda k: [("api-key", k.text)], says="another header"),
    refused("x-goog-api-key", lambda k: [("x-goog-api-key", k.text)], says="another header"),
    refused("proxy-authorization", lambda k: [("proxy-authorization", k.bearer)], says="no key was sent"),
    refused("a cookie", lambda k: [("cookie", f"authorization={k.bearer}")], says="no key was sent"),
    refused(
        "the URL's query",
        lambda k: [],
        path=lambda k: f"/api/v1/chat/completions?key={k.text}",
        says="URL",
    ),
    refused(
        "the URL's query, and a good header",
        with_key(),
        path=lambda k: f"/api/v1/chat/completions?api_key={k.text}",
        says="URL",
    ),
    refused("the URL's path", with_key(), path=lambda k: f"/api/v1/{k.text}/models", says="URL"),
    refused("a spoofed team and no key", lambda k: [("x-gmtech-team-id", k.team)], says="no key was sent"),
    refused(
        "spoofed team, key id and tier, and no key",
        lambda k: [("x-gmtech-team-id", k.team), ("x-gmtech-key-id", k.id), ("x-gmtech-tier", "team")],
        says="no key was sent",
    ),
]


@pytest.fixture(scope="module")
def key(shared_gate):
    """One key for the whole table, with a limit that the table does not reach."""
    return shared_gate.key("team")


def judge(gate, row: Row, key, answer, status: int) -> None:
    assert answer.status == status, (answer.ended, answer.everything())
    assert not keys.leaked_in(answer.everything()), "the answer shows a key"
    seen = gate.seen()
    assert len(seen) == (1 if status == 200 else 0), seen
    if status == 401:
        error = answer.error
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
        openais = "You didn't provide an API key" if row.says == "no key was sent" else "Incorrect API key provided"
        assert error["message"].startswith(f"{openais}. Invalid API key: ")
        assert row.says in error["message"]
        assert answer.header("www-authenticate") == "Bearer"
        assert answer.header("x-request-id")
    elif status >= 400:
        assert answer.error
    for request in seen:
        assert request.values("x-gmtech-team-id") == [key.team]
        assert request.values("x-gmtech-key-id") == [key.id]
        assert request.values("authorization") == ["Bearer provider-secret-for-the-mock"]


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_http1(gate, key, row):
    judge(gate, row, key, row.send_http1(gate.port, key), row.h1)


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_http2(gate, key, row):
    judge(gate, row, key, row.send_http2(gate.port, key), row.h2)
