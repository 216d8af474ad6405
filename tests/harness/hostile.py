"""A hostile request and its expected outcome, written as a row of a table."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from . import http1, http2
from .http1 import Answer
from .keys import Key

CHAT = json.dumps(
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
).encode()

Headers = list[tuple[str | bytes, str | bytes]]


@dataclass(frozen=True)
class Row:
    """One request over HTTP/1.1 and HTTP/2. `h1`, `h2`: the status each must get; 0: the connection or the
    stream is ended without one; None: the protocol cannot express it."""

    name: str
    headers: Callable[[Key], Headers]
    h1: int | None
    h2: int | None
    says: str = ""
    method: str = "POST"
    path: str | bytes | Callable[[Key], str] = "/api/v1/chat/completions"
    body: bytes = CHAT

    def where(self, key: Key) -> str | bytes:
        return self.path(key) if callable(self.path) else self.path

    def send_http1(self, port: int, key: Key) -> Answer:
        raw = http1.request(self.method, self.where(key), self.headers(key), self.body)
        return http1.exchange(port, raw)

    def send_http2(self, port: int, key: Key) -> Answer:
        return http2.exchange(port, self.method, self.where(key), self.headers(key), self.body)


def refused(name: str, headers, status: int = 401, says: str = "", **more) -> Row:
    """The gate itself refuses, with the same status in both protocols."""
    return Row(name, headers, status, status, says, **more)


def passes(name: str, headers, **more) -> Row:
    """Odd, but the key is good and the request too: the upstream gets it, once, attributed."""
    return Row(name, headers, 200, 200, **more)


def authorization(value: Callable[[Key], str | bytes] | str | bytes) -> Callable[[Key], Headers]:
    """Headers with just this `authorization`."""
    return lambda key: [("authorization", value(key) if callable(value) else value)]


def with_key(*more: tuple) -> Callable[[Key], Headers]:
    """Headers with a good key and these."""
    return lambda key: [("authorization", key.bearer), ("content-type", "application/json"), *more]
