"""Measures how many usage events per second the key service stores durably from two Envoys at once.

The batches are made before the clock starts, in the form that the filter sends (see `crates/core/src/sync/events.rs`), and
posted as it posts them: several at once from each of two posters. The clock stops at the last answer. After that the
service must have counted each event once, including those that were sent twice.
"""

import argparse
import http.client
import json
import os
import queue
import secrets
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
os.environ.setdefault("GMTECH_CLI", str(ROOT / "target/release/gmtech"))

from harness import events as usage  # noqa: E402
from harness import service as services  # noqa: E402

POSTERS = 2
AT_ONCE = 4  # batches under way from each poster
BATCH = 1_000
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash")


def event(drawn: bytes, number: int, key, started: int) -> bytes:
    tokens = (1_000 + number % 500, number % 300, 50 + number % 100)
    return usage.event(drawn, number, key, started, MODELS[number % len(MODELS)], tokens)


def batches(keys, events: int) -> list[bytes]:
    """The batches of one poster. An id is a random half and a count, as a VM makes it."""
    drawn, started = secrets.token_bytes(8), int(time.time() * 1000)
    made = []
    for first in range(0, events, BATCH):
        numbers = range(first, min(first + BATCH, events))
        made.append(usage.batch([event(drawn, n, keys[n % len(keys)], started) for n in numbers]))
    return made


class Poster(threading.Thread):
    """One connection of a poster: sends the batches of the queue until it is empty."""

    def __init__(self, port: int, waiting: queue.SimpleQueue):
        super().__init__(daemon=True)
        self.port, self.waiting = port, waiting
        self.counted = {"accepted": 0, "duplicate": 0}
        self.took: list[float] = []
        self.failure: str | None = None

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"authorization": f"Bearer {services.SYNC_TOKEN}", "content-type": "application/octet-stream"}
        while True:
            try:
                batch = self.waiting.get_nowait()
            except queue.Empty:
                return
            began = time.perf_counter()
            connection.request("POST", "/sync/v1/usage", batch, headers)
            answer = connection.getresponse()
            body = answer.read()
            self.took.append(time.perf_counter() - began)
            if answer.status != 200:
                self.failure = f"{answer.status} {body[:200]!r}"
                return
            done = json.loads(body)
            for what in self.counted:
                self.counted[what] += done[what]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(service, keys, events: int, again: int) -> tuple[float, list[float]]:
    """Returns the events per second and the time of each batch."""
    each = [batches(keys, events // POSTERS) for _ in range(POSTERS)]
    threads = []
    for mine in each:
        waiting: queue.SimpleQueue = queue.SimpleQueue()
        for batch in mine + mine[:again]:
            waiting.put(batch)
        threads += [Poster(service.sync_port, waiting) for _ in range(AT_ONCE)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    failures = [t.failure for t in threads if t.failure]
    assert not failures, failures
    accepted = sum(t.counted["accepted"] for t in threads)
    duplicate = sum(t.counted["duplicate"] for t in threads)
    assert (accepted, duplicate) == (events, POSTERS * again * BATCH), (accepted, duplicate)
    return events / seconds, [took for t in threads for took in t.took]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=200_000, help="new events of a turn")
    parser.add_argument("--keys", type=int, default=100, help="how many keys they are of")
    parser.add_argument("--turns", type=int, default=3, help="turns, each of new events into the same database")
    parser.add_argument("--again", type=int, default=5, help="batches of each poster that are sent twice")
    parser.add_argument("--database", help="a PostgreSQL database; without it SQLite in a new file")
    asked = parser.parse_args()
    database = asked.database or os.environ.get("GMTECH_TEST_POSTGRES_URL")
    with tempfile.TemporaryDirectory(prefix="gmtech-intake.") as directory:
        service = services.Service(Path(directory), database=database)
        try:
            keys = service.keys(asked.keys)
            rates = []
            for turn in range(asked.turns):
                before = cpu_seconds(service.process.pid)
                rate, took = run(service, keys, asked.events, asked.again)
                cost = (cpu_seconds(service.process.pid) - before) / asked.events
                rates.append(rate)
                took.sort()
                print(
                    f"turn {turn + 1}: {rate:,.0f} events/s; a batch of {BATCH} took {1000 * took[len(took) // 2]:.0f} ms "
                    f"in the median, {1000 * took[-1]:.0f} ms at most; {1e6 * cost:.0f} µs of the service's CPU an event",
                    flush=True,
                )
            total = sum(row["requests"] for row in service.usage().values())
            assert total == asked.turns * asked.events, total
            kind = "PostgreSQL" if database else "SQLite"
            print(f"{kind}, {asked.keys} keys, {POSTERS} posters: median {statistics.median(rates):,.0f} events/s, each counted once")
        finally:
            service.stop()


if __name__ == "__main__":
    main()
