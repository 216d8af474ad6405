"""Services that are filled with keys and usage for a measurement, and who asks them for pages."""

import json
import secrets
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import httpx  # noqa: E402
from harness import events as usage  # noqa: E402
from harness import service as services  # noqa: E402
from harness.postgres import Postgres  # noqa: E402

BATCH = 1_000
AT_ONCE = 4
DAYS = 30
DAY_MS = 86_400_000
# From one event to the next: so however many there are, they lie all over these days.
STRIDE_MS = 1_601_938_271
MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "o3", "deepseek-chat")
GROUPS = ("chat_completions", "responses", "embeddings")
REFUSALS = ("rate_limit_requests", "rate_limit_tokens")
TAGS = ("prod", "staging", "batch", "evaluation", "web")
TIERS = ("free", "pro", "team")
WORDS = ("checkout", "search", "assistant", "reports", "ingest")
OWNERS = 50
# So many keys of each are suspended and revoked, at most, and never more than a tenth.
CHANGED = 50
# Requests with an id that the service can be asked for.
REQUEST = "bench-request-{n}"


def owner(number: int) -> str:
    return f"person{number % OWNERS}@example.com"


def asked_key(team: str, number: int) -> dict:
    """One key of very many: each filter of the list finds some of them."""
    asked = {
        "team": team,
        "name": f"{WORDS[number % len(WORDS)]} {number}",
        "tier": TIERS[number % len(TIERS)],
        "owner": owner(number),
        "tags": [TAGS[number % len(TAGS)], TAGS[(number + 2) % len(TAGS)]],
    }
    if number % 4:
        asked["expires_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + (1 + number % 300) * 86_400))
    if number % 3:
        asked["budgets"] = {"month_nano_usd": 10**15}
    return asked


class Answer(NamedTuple):
    """Seconds until it was there, seconds of CPU of the service and its database, bytes."""

    waited: float
    worked: float
    size: int


class Stand:
    """A service that is filled, and those who ask it: a browser, a program with an administrator's token, a gate."""

    def __init__(self, directory: Path, database: str | None, keys: int, events: int, server: Postgres | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.service = services.Service(directory, database=database)
        self.server = server
        self.service.http.timeout = 120
        known = directory / "filled.json"
        if known.exists():
            filled = json.loads(known.read_text())
            self.team, self.ids = filled["team"], filled["keys"]
        else:
            self._fill(keys, events)
            self.ids = [key.id for key in self.keys]
            known.write_text(json.dumps({"team": self.team, "keys": self.ids}))
        self.browser = self._browser()
        token = {"authorization": f"Bearer {services.ADMIN_TOKEN}"}
        self.program = httpx.Client(base_url=f"http://127.0.0.1:{self.service.port}", headers=token, trust_env=False, timeout=120)
        token = {"authorization": f"Bearer {services.SYNC_TOKEN}"}
        self.gate = httpx.Client(base_url=f"http://127.0.0.1:{self.service.sync_port}", headers=token, trust_env=False, timeout=120)

    def _fill(self, keys: int, events: int) -> None:
        began = time.perf_counter()
        self.team = self.service.team(prepaid=True, credit="1000000")
        for number in range(min(OWNERS, keys)):
            self.service.ask("PUT", f"/teams/{self.team}/members", json={"email": owner(number), "role": "developer"})
        self.keys = self._make_keys(keys)
        made = time.perf_counter()
        self._post_usage(events)
        self._change_some()
        print(
            f"{keys:,} keys in {made - began:.0f} s, {events:,} events in {time.perf_counter() - made:.0f} s",
            flush=True,
        )

    def _make_keys(self, count: int) -> list:
        made = []
        for first in range(0, count, BATCH):
            batch = [asked_key(self.team, number) for number in range(first, min(first + BATCH, count))]
            answer = self.service.ask("POST", "/keys/batch", json={"keys": batch})
            made += [self.service._told(key) for key in answer["data"]]
        return made

    def _post_usage(self, count: int) -> None:
        """Usage of all keys, spread over the last days, as the gates send it."""
        now, drawn = int(time.time() * 1000), secrets.token_bytes(8)
        waiting = list(range(0, count, BATCH))
        lock, failures = threading.Lock(), []

        def one(n: int) -> bytes:
            # Every eighth is an answer to a request that was refused, which has used nothing.
            refused = n % 8 == 7
            return usage.event(
                drawn,
                n,
                self.keys[n * 7919 % len(self.keys)],
                now - n * STRIDE_MS % (DAYS * DAY_MS),
                MODELS[n % len(MODELS)],
                (0, 0, 0) if refused else (900 + n % 700, n % 300, 50 + n % 90),
                decision=REFUSALS[n // 8 % len(REFUSALS)] if refused else "allowed",
                request_id=REQUEST.format(n=n),
                group=GROUPS[n % len(GROUPS)],
            )

        def post() -> None:
            headers = {"authorization": f"Bearer {services.SYNC_TOKEN}", "content-type": "application/octet-stream"}
            with httpx.Client(trust_env=False, timeout=120) as http:
                while True:
                    with lock:
                        if not waiting or failures:
                            return
                        first = waiting.pop()
                    batch = usage.batch([one(n) for n in range(first, min(first + BATCH, count))])
                    answer = http.post(f"http://127.0.0.1:{self.service.sync_port}/sync/v1/usage", content=batch, headers=headers)
                    if answer.status_code != 200 or not answer.json()["accepted"]:
                        failures.append(answer.text)

        posters = [threading.Thread(target=post) for _ in range(AT_ONCE)]
        for poster in posters:
            poster.start()
        for poster in posters:
            poster.join()
        assert not failures, failures

    def _change_some(self) -> None:
        """Some keys are suspended, and some revoked and still in use."""
        count = min(CHANGED, len(self.keys) // 10)
        now, drawn = int(time.time() * 1000), secrets.token_bytes(8)
        spread = self.keys[:: max(1, len(self.keys) // (2 * count))]
        refused = []
        for number, (suspended, revoked) in enumerate(zip(spread[::2][:count], spread[1::2][:count], strict=True)):
            self.service.change(suspended, "suspend")
            self.service.change(revoked, "revoke")
            refused.append(usage.event(drawn, number, revoked, now, "gpt-4o", (0, 0, 0), decision="key_revoked"))
        headers = {"authorization": f"Bearer {services.SYNC_TOKEN}"}
        answer = httpx.post(
            f"http://127.0.0.1:{self.service.sync_port}/sync/v1/usage", content=usage.batch(refused), headers=headers, trust_env=False
        )
        assert answer.status_code == 200, answer.text

    def _browser(self) -> httpx.Client:
        """An administrator's, who has signed in by a one-time link."""
        made = self.service.ask("POST", "/people/links", json={"email": "bench@example.com", "admin": True})
        http = httpx.Client(base_url=f"http://127.0.0.1:{self.service.port}", trust_env=False, timeout=120)
        answer = http.post(made["path"], data={"csrf": ""}, headers={"sec-fetch-site": "same-origin"})
        assert answer.status_code == 303, answer.text
        # The cookie may be for https only; here it goes over the loopback.
        http.headers["cookie"] = "; ".join(part.split(";")[0] for part in answer.headers.get_list("set-cookie"))
        return http

    def fill_in(self) -> dict[str, str]:
        """What stands for the words in braces of addresses."""
        some = self.ids[len(self.ids) * 2 // 3]
        last = {}
        for sort, sign, at in (("created", "c", "created_at"), ("name", "n", "name")):
            asked = {"team": self.team, "sort": sort, "reverse": True, "limit": 6}
            key = self.service.ask("GET", "/keys", params=asked)["data"][-1]
            value = key[at].lower().encode().hex() if sort == "name" else _milliseconds(key[at])
            last[f"last_by_{sort}"] = f"{sign}.{value}.{key['id']}"
        return {
            "team": self.team,
            "key": some,
            "keys": ",".join(self.ids[:25]),
            "request": REQUEST.format(n=0),
            "month_ago": str(int(time.time()) // 86_400 * 86_400 - 29 * 86_400),
            "week_ago": str(int(time.time()) // 86_400 * 86_400 - 6 * 86_400),
            "from": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 29 * 86_400)),
            "name": f"{WORDS[0]} {len(self.ids) // 2 // len(WORDS) * len(WORDS)}",
            **last,
        }

    def get(self, address: str) -> Answer:
        who = self.gate if address.startswith("/sync/") else self.browser if address.startswith("/users/") else self.program
        worked, began = self._worked(), time.perf_counter()
        answer = who.get(address)
        waited = time.perf_counter() - began
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:500])
        return Answer(waited, self._worked() - worked, len(answer.content))

    def _worked(self) -> float:
        """Seconds of CPU of the service, and of its connections to PostgreSQL."""
        pids = [self.service.process.pid]
        if self.server:
            # A server has a process for each connection. Those of the other service do nothing meanwhile.
            main = self.server.process.pid
            pids += map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())
        return sum(map(_cpu_seconds, pids))

    def stop(self) -> None:
        self.service.stop()


def _cpu_seconds(pid: int) -> float:
    """Of all threads of a process, to the nanosecond."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _milliseconds(instant: str) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1000)
