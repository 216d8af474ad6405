"""Ten minutes of random faults in a key service under load: `make chaos`.

Clients create keys, revoke them, top teams up and report usage without pause, and repeat what was not acknowledged, with
the same `Idempotency-Key` or ids of events. Meanwhile, at random: kill -9, orderly restarts, clients that hang up, a full
disk, a clock that is days off, a database that is locked, stopped, killed or frozen. At the end:

- nothing that was acknowledged is missing, and every revoked key is revoked;
- nothing is counted twice: every event, top-up and key exists once, and a balance is their sum;
- the service was ready within five seconds after each cause had ended.

The seed is printed. The same seed gives the same order of causes.
"""

import argparse
import os
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import events as usage  # noqa: E402
from harness import service as services  # noqa: E402
from harness.disk import SmallDisk  # noqa: E402
from harness.keys import Key  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

WELL_WITHIN = 5.0
DAY = 86_400

# 1,000 + 100 tokens of a model with this price are a whole number of nano-dollars.
MODEL, TOKENS = "gpt-4o", (1_000, 0, 100)


def family(first: int) -> list[int]:
    """A process and its children."""
    found = [first]
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(file.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it has ended
        if parent == first:
            found.append(int(file.parent.name))
    return found


class Clock:
    """The wall clock of a process that is started with `env`. It can be shifted by any time."""

    def __init__(self, directory: Path):
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            raise FileNotFoundError("libfaketime is missing: apt-get install faketime")
        self.file = directory / "clock"
        self.be_off(0)
        self.env = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def be_off(self, seconds: int) -> None:
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.rename(self.file)


class Client(threading.Thread):
    """Repeats one action, each time until it is acknowledged."""

    def __init__(self, world: "World", number: int):
        super().__init__(daemon=True)
        self.world, self.number = world, number
        self.moments = random.Random(f"{world.seed}-{number}")
        self.failure: str | None = None
        self.repeats = 0
        self.http = httpx.Client(trust_env=False, timeout=30)
        self.team, self.amount = world.team, 0
        self.made: list[Key] = []
        self.revoked: set[str] = set()
        self.tops = 0
        self.events: Counter[str] = Counter()
        self.drawn, self.drawn_events = secrets.token_bytes(8), 0
        self.start()

    def run(self) -> None:
        try:
            while not self.world.ending:
                self.moments.choice([self.create, self.revoke, self.top_up, self.report, self.report])()
        except Exception as error:  # noqa: BLE001 - shown at the end, as the run's failure
            self.failure = f"{type(error).__name__}: {error}"

    def until_acknowledged(self, port: int, method: str, path: str, token: str, **options) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}", **options.pop("headers", {})}
        while True:
            try:
                answer = self.http.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, **options)
                if answer.is_success:
                    return answer
                # A failure must be the service's own, and retryable.
                if answer.status_code != 503:
                    raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
            except httpx.TransportError:
                pass
            self.repeats += 1
            time.sleep(0.02)

    def ask(self, path: str, body: dict | None = None) -> httpx.Response:
        once = {"idempotency-key": secrets.token_hex(8)}
        port = self.world.service.port
        return self.until_acknowledged(port, "POST", f"/admin/v1{path}", services.ADMIN_TOKEN, json=body, headers=once)

    def create(self) -> None:
        made = self.ask("/keys", {"team": self.team, "name": "chaos", "tier": "team"}).json()
        self.made.append(Key(made.get("key") or "", made["id"], self.team, "team"))

    def revoke(self) -> None:
        left = [key for key in self.made if key.id not in self.revoked]
        if len(left) > 3:
            key = self.moments.choice(left)
            self.ask(f"/keys/{key.id}/revoke")
            self.revoked.add(key.id)

    def top_up(self) -> None:
        self.ask(f"/teams/{self.team}/credit", {"amount_usd": "3"})
        self.tops += 1

    def report(self) -> None:
        if not self.made:
            return
        batch, now = [], int(time.time() * 1000)
        counted: Counter[str] = Counter()
        for _ in range(self.moments.randrange(1, 60)):
            key = self.moments.choice(self.made)
            self.drawn_events += 1
            batch.append(usage.event(self.drawn, self.drawn_events, key, now, MODEL, TOKENS))
            counted[key.id] += 1
        port, token = self.world.service.sync_port, services.SYNC_TOKEN
        done = self.until_acknowledged(port, "POST", "/sync/v1/usage", token, content=usage.batch(batch)).json()
        if done["accepted"] + done["duplicate"] != len(batch):
            raise AssertionError(f"of {len(batch)} events: {done}")
        self.events.update(counted)


class World:
    """A service under load, and the faults that can be caused."""

    def __init__(self, directory: Path, seed: int, server: Postgres | None):
        self.seed, self.server = seed, server
        self.moments = random.Random(seed)
        self.ending = False
        self.disk = None if server else SmallDisk(directory / "disk", 1 << 30)
        self.clock = Clock(directory)
        database = server.database(f"chaos_{secrets.token_hex(4)}") if server else str(self.disk.path / "gmtech.db")
        within = self.disk.within if self.disk else []
        self.service = services.Service(directory, database=database, within=within, env=self.clock.env)
        self.team = self.service.team()
        self.spare = self.service.keys(400, self.service.team())
        self.ended: list[Key] = []
        self.causes: dict[str, Callable[[], None]] = {
            "kill -9": self.kill,
            "restart": self.restart,
            "hang-ups": self.hang_ups,
            "clock": self.clock_jump,
        }
        if self.disk:
            self.causes |= {"full disk": self.full_disk, "locked database": self.locked}
        else:
            self.causes |= {"stopped server": self.stopped, "killed server": self.killed, "frozen server": self.frozen}

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.service.port}/readyz", trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def lives(self, _=None) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.service.port}/healthz", trust_env=False, timeout=2).is_success
        except httpx.TransportError:
            return False

    def pause(self, least: float, most: float) -> None:
        time.sleep(self.moments.uniform(least, most))  # how long a cause lasts, not a wait for something

    def kill(self) -> None:
        self.service.kill()
        self.pause(0, 0.5)
        self.service.start(ready=self.lives)

    def restart(self) -> None:
        self.service.stop()
        self.service.start(ready=self.lives)

    def hang_ups(self) -> None:
        for number in range(self.moments.randrange(20, 200)):
            body = b'{"id":"hung-%d-%d","name":"hung up"}' % (self.moments.randrange(10**12), number)
            head = (
                b"POST /admin/v1/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n"
            ) % (services.ADMIN_TOKEN.encode(), len(body))
            with socket.create_connection(("127.0.0.1", self.service.port), 5) as s:
                # Closes with a reset.
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall(head + body)
                self.pause(0, 0.004)

    def clock_jump(self) -> None:
        days = self.moments.choice([-400, -40, -8, -1, 1, 8, 40, 400])
        self.clock.be_off(days * DAY + self.moments.randrange(-3_600, 3_600))
        self.pause(0.5, 4)
        if self.moments.random() < 0.3:
            self.kill()
        self.clock.be_off(0)

    def full_disk(self) -> None:
        self.disk.fill()
        wait_until("the full disk to be seen", lambda: not self.ready(), 20)
        if self.moments.random() < 0.3:
            self.kill()
        # Revocations must work all the time.
        key = self.spare.pop()
        assert self.service.change(key, "revoke")["status"] == "revoked"
        self.ended.append(key)
        self.pause(0.2, 2)
        self.disk.empty()

    def locked(self) -> None:
        with sqlite3.connect(self.service.database, isolation_level=None, timeout=20) as other:
            other.execute("BEGIN IMMEDIATE")
            self.pause(0.2, 8)
            other.execute("ROLLBACK")
        other.close()

    def stopped(self) -> None:
        self.server.down()
        self.pause(0, 3)
        self.server.start()

    def killed(self) -> None:
        self.server.kill()
        self.pause(0, 1)
        self.server.start()

    def frozen(self) -> None:
        """Stops the process: it keeps its connections and answers nothing."""
        pids = family(self.server.process.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.pause(0.5, 8)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # it had ended before

    def run(self, seconds: float) -> tuple[Counter[str], dict[str, float]]:
        """Returns the number of faults of each kind, and the longest time from the end of one until the service was ready."""
        times: Counter[str] = Counter()
        worst: dict[str, float] = {}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            fewest = min(times[name] for name in self.causes)
            name = self.moments.choice([name for name in self.causes if times[name] <= fewest + 1])
            self.causes[name]()
            ended = time.monotonic()
            wait_until(f"the service to be ready after: {name}", self.ready, WELL_WITHIN)
            worst[name] = max(worst.get(name, 0), time.monotonic() - ended)
            times[name] += 1
            self.pause(0, 1)
        return times, worst

    def listed(self, path: str, **query) -> list[dict]:
        found, after = [], None
        while True:
            page = self.service.ask("GET", path, params={"limit": 500, **query, **({"after": after} if after else {})})
            found += page["data"]
            after = page["next"]
            if not after:
                return found

    def judge(self, clients: list[Client]) -> dict[str, int]:
        """Checks that everything acknowledged exists exactly once."""
        keys = {key["id"]: key for key in self.listed("/keys", team=self.team)}
        made = [key.id for client in clients for key in client.made]
        assert len(made) == len(set(made)) == len(keys), f"{len(made)} keys acknowledged, {len(keys)} there"
        assert set(made) == set(keys)
        revoked = {key for client in clients for key in client.revoked}
        assert revoked == {key for key, shown in keys.items() if shown["status"] == "revoked"}
        for key in self.ended:
            assert self.service.ask("GET", f"/keys/{key.id}")["status"] == "revoked", "a revocation on a full disk"

        events: Counter[str] = Counter()
        for client in clients:
            events.update(client.events)
        rows = self.service.usage(team=self.team)
        assert {key: row["requests"] for key, row in rows.items()} == dict(events), "each event is counted once"
        assert all(rows[key]["total_tokens"] == count * (TOKENS[0] + TOKENS[2]) for key, count in events.items())

        ledger = self.listed(f"/teams/{self.team}/ledger")
        tops = [row for row in ledger if row["kind"] == "top_up"]
        assert len(tops) == sum(client.tops for client in clients), "each top-up is there once"
        assert sum(row["events"] for row in ledger if row["kind"] == "charge") == sum(events.values())
        cost = sum(row["cost_nano_usd"] for row in rows.values())
        assert self.service.balance(self.team) == 3 * 10**9 * len(tops) - cost == sum(row["amount_nano_usd"] for row in ledger)
        return {"keys": len(keys), "revoked": len(revoked), "top-ups": len(tops), "events": sum(events.values())}

    def stop(self) -> None:
        self.service.stop()
        if self.disk:
            self.disk.stop()


def chaos(name: str, seconds: float, seed: int, server: Postgres | None) -> None:
    directory = Path(tempfile.mkdtemp(prefix="gmtech-chaos."))
    print(f"{name}: {seconds:.0f} s, seed {seed}, logs in {directory}", flush=True)
    world = World(directory, seed, server)
    clients = [Client(world, number) for number in range(4)]
    try:
        times, worst = world.run(seconds)
        world.ending = True
        for client in clients:
            client.join(30)
        failures = [client.failure or "it hangs" for client in clients if client.failure or client.is_alive()]
        assert not failures, failures
        done = world.judge(clients)
        output = world.service.output()
        assert "panicked" not in output, "a panic is in the log"
    except BaseException:
        world.ending = True
        print(f"{name}: FAILED; seed {seed}\n{world.service.process.output()[-3000:]}", file=sys.stderr)
        raise
    finally:
        world.stop()
    shutil.rmtree(directory, ignore_errors=True)
    print(f"{name}: " + ", ".join(f"{cause} {count}× (ready after {worst[cause]:.1f} s)" for cause, count in times.items()))
    repeats = sum(client.repeats for client in clients)
    print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in done.items()) + f"; {repeats} requests repeated", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=600, help="for each database; default 600")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    asked = parser.parse_args()
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    if asked.database != "postgres":
        chaos("SQLite", asked.seconds, asked.seed, None)
    if asked.database != "sqlite":
        server = Postgres()
        try:
            chaos("PostgreSQL", asked.seconds, asked.seed, server)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
