"""The limit on tokens under concurrency, over two workers: at no moment is more admitted than the bucket has. When
everything has settled, the gate, the upstream and `/limits` agree to the token."""

import time
from datetime import datetime

import pytest

from harness import http1, metered
from harness.gate import Gate
from harness.metered import body, headers

LIMIT = 40_000
STREAMS = 200


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    # Requests are not what is tested here; the tokens are the free tier's own.
    kinds = {"free": (4, "free", {"limits": {"requests_per_minute": 6000}})}
    with Gate(tmp_path_factory.mktemp("concurrency"), kinds=kinds) as gate:
        yield gate


def open_all(gate) -> list:
    """Connections that a worker has accepted, as many as streams."""
    sockets = [http1.connect(gate.port) for _ in range(STREAMS)]
    for s in sockets:
        s.sendall(http1.request("GET", "/healthz"))
    for s in sockets:
        assert http1.receive(s).status == 200
    counted = gate.envoy.stats(rf"^listener\..*_{gate.port}\.worker_\d+\.downstream_cx_active$")
    assert len(counted) == 2 and all(counted.values()), "both workers have some"
    return sockets


def ask(gate, key, mock: str, **fields):
    """All streams at once: every request is written before any answer is read."""
    sockets = open_all(gate)
    data = body(stream=True, **fields)
    raw = http1.request("POST", metered.CHAT_PATH, headers(key, mock), data)
    began = time.monotonic()
    for s in sockets:
        s.sendall(raw)
    return sockets, began


def answers_of(sockets) -> list[http1.Answer]:
    answers = [http1.receive(s, b"POST") for s in sockets]
    for s in sockets:
        s.close()
    return answers


def settled(gate, key) -> list[metered.Charge]:
    return metered.charges(gate, key, STREAMS)


def test_200_streams_over_two_workers_never_hold_more_than_the_limit(gate):
    key = gate.key("free")
    # They take a second, so that all that are admitted are under way at once.
    sockets, began = ask(gate, key, "output_tokens=20;first_event_ms=1000", max_tokens=1000)
    answers = answers_of(sockets)
    statuses = [a.status for a in answers]
    assert sorted(set(statuses)) == [200, 429]
    log = settled(gate, key)
    admitted = [c for c in log if c.decision == "allowed"]
    span = spread(gate, key)
    assert span < 0.9, "too slow: some had ended before others began"
    refill = LIMIT / 60 * (span + 0.05)
    reserved = sum(c.reserved for c in admitted)
    assert reserved <= LIMIT + refill, (reserved, span)
    assert reserved > LIMIT - 1100, "and all of it could be used"
    assert len(gate.seen()) == len(admitted) == statuses.count(200), "what was refused never left"
    assert all(c.charged == 0 for c in log if c.decision != "allowed")
    assert all(c.source == "exact" for c in admitted)
    charged = sum(c.charged for c in admitted)
    assert charged == metered.truth(gate, key)["completed"]["total_tokens"], "the upstream's own count, exactly"
    agree(gate, key, charged, began)


def spread(gate, key) -> float:
    """Seconds from the first request's start to the last one's, by the access log."""
    starts = [datetime.fromisoformat(row["start_time"].replace("Z", "+00:00")) for row in metered.rows(gate, key)]
    return (max(starts) - min(starts)).total_seconds()


def agree(gate, key, charged: int, began: float) -> None:
    """`/limits` shows what was charged, less at most what has come back since it began."""
    now = metered.limits(gate, key)["tokens_per_minute"]
    back = LIMIT / 60 * (time.monotonic() - began) + 1
    assert max(0, charged - back) <= now["used"] <= charged, (now, charged, back)
    assert now["remaining"] == max(0, LIMIT - now["used"])


def test_200_streams_with_prompts_that_fill_the_limit(gate):
    """Almost no output: the reservation is nearly the usage, so the limit is really used up."""
    key = gate.key("free")
    prompt = "word " * 900
    sockets, began = ask(gate, key, "output_tokens=3;first_event_ms=600", prompt=prompt, max_tokens=3)
    answers = answers_of(sockets)
    log = settled(gate, key)
    admitted = [c for c in log if c.decision == "allowed"]
    reserved = sum(c.reserved for c in admitted)
    span = spread(gate, key)
    assert reserved <= LIMIT + LIMIT / 60 * (span + 0.05)
    refused = [a for a in answers if a.status == 429]
    assert refused and len(refused) == STREAMS - len(admitted)
    for answer in refused:
        assert answer.error["type"] == "tokens"
        assert int(answer.header("x-ratelimit-remaining-tokens")) < 910
    charged = sum(c.charged for c in admitted)
    assert charged == metered.truth(gate, key)["completed"]["total_tokens"]
    # The upstream counts more than was estimated. The difference is debt of the key.
    assert charged > reserved
    agree(gate, key, charged, began)


def test_streams_that_end_in_every_way_at_once(gate):
    """Half of the clients hang up in the middle, while the others are served: the sum of the log is what `/limits` shows."""
    key = gate.key("free")
    sockets, began = ask(gate, key, "output_tokens=40;event_delay_ms=20", max_tokens=60)
    leaving, staying = sockets[::2], sockets[1::2]
    for s in leaving:
        s.recv(4096)
        s.close()
    answers = answers_of(staying)
    log = settled(gate, key)
    assert {c.source for c in log if c.decision == "allowed"} == {"exact", "lower_bound"}
    assert sum(c.source == "exact" for c in log) >= sum(a.status == 200 for a in answers) > 0
    for c in log:
        assert c.charged <= c.reserved, c
    agree(gate, key, sum(c.charged for c in log), began)
