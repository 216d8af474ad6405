"""Many requests at one instant: connections are opened first, then every request is written before any answer is
read. Threads or an async client would spread them over time, and a limit is a matter of time.
"""

import time
from dataclasses import dataclass

from . import http1
from .http1 import Answer
from .keys import Key


@dataclass
class Burst:
    """Answers by key, and when (monotonic seconds) the first request left and the last answer came."""

    answers: dict[Key, list[Answer]]
    began: float
    ended: float

    def statuses(self, key: Key) -> list[int]:
        return [a.status for a in self.answers[key]]

    def passed(self, key: Key) -> int:
        return self.statuses(key).count(200)

    def refusals(self, key: Key) -> list[Answer]:
        return [a for a in self.answers[key] if a.status == 429]


def burst(port: int, requests: dict[Key, int], connections: int = 100) -> Burst:
    """So many requests of each key, the keys in turn, over `connections` connections (or more: one for each request)."""
    rounds = range(max(requests.values()))
    order = [key for turn in rounds for key, count in requests.items() if turn < count]
    sockets = [http1.connect(port) for _ in range(max(connections, len(order)))]
    # A request on each connection makes sure that a worker has accepted it.
    for s in sockets:
        s.sendall(http1.request("GET", "/healthz"))
    for s in sockets:
        assert http1.receive(s).status == 200
    raw = {key: http1.request("GET", "/api/v1/models", [("authorization", key.bearer)]) for key in requests}
    answers: dict[Key, list[Answer]] = {key: [] for key in requests}
    began = time.monotonic()
    for key, s in zip(order, sockets, strict=False):
        s.sendall(raw[key])
    for key, s in zip(order, sockets, strict=False):
        answers[key].append(http1.receive(s))
    ended = time.monotonic()
    for s in sockets:
        s.close()
    return Burst(answers, began, ended)
