"""Batches of usage events in the form that the filter sends them; see `crates/core/src/sync/events.rs`."""

import struct

from .keys import Key

VERSION = 2


def _text(name: str) -> bytes:
    raw = name.encode()
    return struct.pack(">H", len(raw)) + raw


def event(
    drawn: bytes,
    number: int,
    key: Key,
    started: int,
    model: str,
    tokens: tuple[int, int, int],
    *,
    decision: str = "allowed",
    request_id: str = "",
    group: str = "chat_completions",
) -> bytes:
    """An answered request. Its id is eight drawn bytes and a number, as a VM makes them; it started so many milliseconds
    after the epoch and used so many tokens of input, cached input and output."""
    input_, cached, output = tokens
    counts = (input_, cached, 0, 0, output, 0, 0, 0)
    body = struct.pack(">16sBHIQ8I", drawn + struct.pack(">Q", number), 0, 200, 800, started, *counts)
    names = (key.id, key.team, key.tier, model, "/v1/chat/completions", decision)
    # One request, no object, its id, the group of its endpoint.
    body += b"".join(map(_text, names)) + struct.pack(">I", 1) + _text("") + _text(request_id) + _text(group)
    return struct.pack(">H", len(body)) + body


def batch(events: list[bytes]) -> bytes:
    """At most a thousand of them."""
    return struct.pack(">BH", VERSION, len(events)) + b"".join(events)
