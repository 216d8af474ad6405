"""Many requests at one instant: connections are opened first, then every request is written before any answer is
read. Threads or an async client would spread them over time, and a limit is a matter of time.
"""

import socket
import time
from dataclasses import dataclass

from . import http1
from .http1 import Answer
from .keys import Key


@dataclass
class Burst:
    """Answers by key, and when (monotonic seconds) the first request left and the last answer came."""

    answers: dict[str, list[Answer]]
    began: float
    ended: float

    def statuses(self, key: Key) -> list[int]:
        return [a.status for a in self.answers[key.id]]

    def passed(self, key: Key) -> int:
        return self.statuses(key).count(200)

    def refusals(self, key: Key) -> list[Answer]:
        return [a for a in self.answers[key.id] if a.status == 429]


def burst(port: int, requests: dict[Key, int] | list[tuple[Key, int]], connections: int = 100) -> Burst:
    """So many requests of each key, the keys taking turns, over `connections` connections (or more, one a request)."""
    left = dict((key.id, [key, n]) for key, n in (requests.items() if isinstance(requests, dict) else requests))
    order: list[Key] = []
    while any(n for _, n in left.values()):
        for entry in left.values():
            if entry[1]:
                order.append(entry[0])
                entry[1] -= 1
    sockets = [http1.connect(port) for _ in range(max(connections, len(order)))]
    # A request on each connection makes sure that a worker has accepted it.
    for s in sockets:
        s.sendall(http1.request("GET", "/healthz"))
    for s in sockets:
        assert http1.receive(s).status == 200
    raw = {key_id: http1.request("GET", "/api/v1/models", [("authorization", key.bearer)])
           for key_id, (key, _) in left.items()}  # fmt: skip
    answers: dict[str, list[Answer]] = {key_id: [] for key_id in left}
    began = time.monotonic()
    for key, s in zip(order, sockets, strict=False):
        s.sendall(raw[key.id])
    for key, s in zip(order, sockets, strict=False):
        answers[key.id].append(http1.receive(s))
    ended = time.monotonic()
    for s in sockets:
        _close(s)
    return Burst(answers, began, ended)


def _close(s: socket.socket) -> None:
    try:
        s.close()
    except OSError:
        pass
