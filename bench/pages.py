"""Measures whether the pages stay quick and small with very many keys and very much usage.

Two services run side by side: one with ten keys and ten events, one with as many as asked for. Each page is asked of one and of the
other in turns, and the ratio of the two medians is reported, with the first answer of the large one and its size. A page must
answer within twice the time, and send less than 200 KB.
"""

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import httpx  # noqa: E402
from harness import events as usage  # noqa: E402
from harness import service as services  # noqa: E402
from harness.postgres import Postgres  # noqa: E402

BATCH = 1_000
AT_ONCE = 4
DAYS = 30
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "o3", "deepseek-chat")
TAGS = ("prod", "staging", "batch", "evaluation", "web")

MOST_RATIO = 2.0
MOST_BYTES = 200_000


def pages(team: str, key: str, request: str) -> list[str]:
    """Every page about a team, each with what makes it read the most."""
    found = [
        f"/users/usage/?team={team}&by={by}&range={span}"
        for by in ("model", "key", "owner", "tag", "endpoint", "decision")
        for span in ("24h", "30d", "90d")
    ]
    return found + [
        f"/users/usage.csv?team={team}&by=key&range=30d",
        f"/users/usage/live?team={team}",
        f"/users/usage/?team={team}&key={key}&by=model",
        f"/users/requests/?team={team}&id={request}",
        f"/users/api-keys/live?team={team}&ids={key}",
        *EXTRA,
    ]


# Pages of other kinds, as `--page`, with {team} and {key} in them.
EXTRA: list[str] = []


def fill(service, keys: int, events: int) -> tuple[str, list]:
    """A team with its keys and their usage of the last days; gives its id and the keys."""
    team = service.team()
    made = []
    for first in range(0, keys, BATCH):
        tags = [TAGS[first // BATCH % len(TAGS)], TAGS[(first // BATCH + 2) % len(TAGS)]]
        made += service.keys(min(BATCH, keys - first), team, tags=tags)
    now, drawn = int(time.time() * 1000), secrets.token_bytes(8)
    span = DAYS * 86_400_000
    waiting = list(range(0, events, BATCH))
    lock, failures = threading.Lock(), []

    def post() -> None:
        headers = {"authorization": f"Bearer {services.SYNC_TOKEN}", "content-type": "application/octet-stream"}
        with httpx.Client(trust_env=False, timeout=120) as http:
            while True:
                with lock:
                    if not waiting or failures:
                        return
                    first = waiting.pop()
                batch = [
                    usage.event(
                        drawn, n, made[n * 7919 % keys], now - n * 48_271 % span, MODELS[n % len(MODELS)], (900 + n % 700, n % 300, 50 + n % 90)
                    )
                    for n in range(first, min(first + BATCH, events))
                ]
                answer = http.post(f"http://127.0.0.1:{service.sync_port}/sync/v1/usage", content=usage.batch(batch), headers=headers)
                if answer.status_code != 200 or answer.json()["accepted"] != len(batch):
                    failures.append(answer.text)

    posters = [threading.Thread(target=post) for _ in range(AT_ONCE)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    assert not failures, failures
    return team, made


def visitor(service) -> httpx.Client:
    """An administrator's browser, which has signed in by a one-time link."""
    made = service.ask("POST", "/people/links", json={"email": "bench@example.com", "admin": True})
    path = made["path"]
    http = httpx.Client(base_url=f"http://127.0.0.1:{service.port}", trust_env=False, timeout=120)
    answer = http.post(path, data={"csrf": ""}, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303, answer.text
    # The cookie may be for https only; here it goes over the loopback.
    http.headers["cookie"] = "; ".join(part.split(";")[0] for part in answer.headers.get_list("set-cookie"))
    return http


class Stand:
    """A service that is filled, and somebody who looks at its pages."""

    def __init__(self, directory: Path, database: str | None, keys: int, events: int):
        directory.mkdir()
        self.service = services.Service(directory, database=database)
        began = time.perf_counter()
        self.team, self.keys = fill(self.service, keys, events)
        print(f"{keys:,} keys and {events:,} events in {time.perf_counter() - began:.0f} s", flush=True)
        self.http = visitor(self.service)

    def pages(self) -> list[str]:
        key = self.keys[len(self.keys) // 2].id
        return [page.replace("{team}", self.team).replace("{key}", key) for page in pages(self.team, key, "none")]

    def get(self, page: str) -> tuple[float, int]:
        """Seconds and bytes."""
        began = time.perf_counter()
        answer = self.http.get(page)
        took = time.perf_counter() - began
        assert answer.status_code in (200, 404), (page, answer.status_code, answer.text[:500])
        return took, len(answer.content)


def measure(small: Stand, large: Stand, turns: int) -> list[str]:
    """Prints a line for each page; gives what is too slow or too large."""
    wrong = []
    for few, many in zip(small.pages(), large.pages(), strict=True):
        small.get(few)
        first, size = large.get(many)
        times: dict[Stand, list[float]] = {small: [], large: []}
        for turn in range(turns):
            order = ((small, few), (large, many))
            for stand, page in order if turn % 2 else order[::-1]:
                times[stand].append(stand.get(page)[0])
        few_ms, many_ms = (1000 * statistics.median(times[stand]) for stand in (small, large))
        ratio = many_ms / few_ms
        name = many.replace(f"team={large.team}", "").replace("?&", "?").replace(large.keys[len(large.keys) // 2].id, "KEY")
        print(
            f"{ratio:5.2f}  {few_ms:6.1f} ms → {many_ms:6.1f} ms, the first time {1000 * first:6.0f} ms, {size / 1000:6.1f} KB  {name}",
            flush=True,
        )
        if ratio > MOST_RATIO:
            wrong.append(f"{name}: {ratio:.2f} times as long")
        if size > MOST_BYTES:
            wrong.append(f"{name}: {size:,} bytes")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=15, help="how often each page is asked of each service")
    parser.add_argument("--page", action="append", default=[], help="one more page; {team} and {key} are filled in")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own; without it SQLite in new files")
    asked = parser.parse_args()
    EXTRA.extend(asked.page)
    server = Postgres() if asked.postgres else None
    few, many = (server.database("small"), server.database("large")) if server else (None, None)
    with tempfile.TemporaryDirectory(prefix="gmtech-pages.") as directory:
        stands = []
        try:
            stands.append(Stand(Path(directory) / "small", few, 10, 10))
            stands.append(Stand(Path(directory) / "large", many, asked.keys, asked.events))
            wrong = measure(*stands, asked.turns)
        finally:
            for stand in stands:
                stand.service.stop()
            if server:
                server.stop()
    if wrong:
        print("\n".join(["too slow or too large:", *wrong]), file=sys.stderr)
        sys.exit(1)
    print(f"each page within {MOST_RATIO:g} times and under {MOST_BYTES / 1000:.0f} KB")


if __name__ == "__main__":
    main()
