"""A real key service (`gmtech serve`) as a subprocess, its management API and command line, and gates that use it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from . import http1, keys, paths
from .envoy import Envoy
from .gate import Gate
from .keys import Key
from .process import Process
from .waiting import free_port, wait_until

# Tokens of a test run, which are as secret as keys.
ADMIN_TOKEN = "admin-" + secrets.token_hex(20)
SYNC_TOKEN = "proxies-" + secrets.token_hex(20)


class Service:
    """Runs until `stop`; `kill` and `start` are the crash and the restart of a deployment, on the same ports and file."""

    def __init__(
        self,
        directory: Path,
        *args: str,
        database: str | None = None,
        within: list[str] | None = None,
        env: dict[str, str] | None = None,
    ):
        self.directory = directory
        self.args = args
        self.within = within or []
        self.env = env or {}
        self.file = directory / "gmtech.db"
        self.database = database or str(self.file)
        self.port, self.sync_port = free_port(), free_port()
        self.logs: list[Path] = []
        self._paused = False
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/admin/v1",
            headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
            trust_env=False,
            timeout=30,
        )
        self.start()

    def start(self, *more: str, ready: Callable[["Service"], bool] | None = None) -> None:
        """Returns when it is ready to work, or as `ready` says."""
        self.logs.append(self.directory / f"serve{len(self.logs)}.log")
        self.process = Process(
            "gmtech serve",
            [
                *self.within, str(paths.gmtech()), "serve", "--database", self.database, "--state-dir", str(self.directory),
                "--port", str(self.port), "--sync-port", str(self.sync_port), *self.args, *more,
            ],
            self.logs[-1],
            env={"GMTECH_ADMIN_TOKEN": ADMIN_TOKEN, "GMTECH_SYNC_TOKEN": SYNC_TOKEN, **self.env},
        )  # fmt: skip
        self.process.wait_ready("an answer", lambda: ready(self) if ready else self._answers())

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    # Crashes and faults.

    def kill(self) -> None:
        """Kills the service, as a crash does: no handler runs."""
        self.process.signal(signal.SIGKILL)
        self.process.wait_exit()

    def stop(self) -> None:
        if self._paused:
            self.resume()
        self.process.stop()

    def pause(self) -> None:
        """Stops the process: it keeps its connections and answers nothing."""
        self.process.signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        self.process.signal(signal.SIGCONT)
        self._paused = False

    def output(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in self.logs)

    def backup(self, to: Path) -> Path:
        """A copy of the database, as an operator makes one of a stopped service."""
        assert not self.process.alive(), "stop it first"
        to.mkdir()
        for part in self.directory.glob("gmtech.db*"):
            shutil.copy(part, to / part.name)
        return to

    def restore(self, backup: Path, *, mark: bool) -> None:
        """Puts the copy in place; with `mark` the mark of what was served beside it as well."""
        assert not self.process.alive(), "stop it first"
        parts = {p.name for p in [*self.directory.glob("gmtech.db*"), *backup.iterdir()]}
        for name in parts:
            if mark or not name.endswith(".served"):
                (self.directory / name).unlink(missing_ok=True)
                if (backup / name).exists():
                    shutil.copy(backup / name, self.directory / name)

    # The management API.

    def ask(self, method: str, path: str, **options) -> dict:
        answer = self.http.request(method, path, **options)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else {}

    def team(self, *, prepaid: bool = False, credit: str | None = None) -> str:
        """A new team's id."""
        team = f"team-{secrets.token_hex(6)}"
        self.ask("POST", "/teams", json={"id": team, "prepaid": prepaid})
        if credit:
            self.top_up(team, credit)
        return team

    def top_up(self, team: str, dollars: str) -> None:
        self.ask("POST", f"/teams/{team}/credit", json={"amount_usd": dollars})

    def balance(self, team: str) -> int:
        """In nano-dollars."""
        return self.ask("GET", f"/teams/{team}")["balance_nano_usd"]

    def key(self, team: str | None = None, tier: str = "team", **more) -> Key:
        """Makes a key through the API. Its text is only in the answer, and may appear in no other place."""
        asked = {"team": team or self.team(), "name": "e2e", "tier": tier, **more}
        return self._told(self.ask("POST", "/keys", json=asked))

    def keys(self, count: int, team: str | None = None, tier: str = "team", **more) -> list[Key]:
        """Many of one team."""
        asked = {"team": team or self.team(), "name": "e2e", "tier": tier, **more}
        made: list[Key] = []
        while len(made) < count:
            batch = [asked] * min(1000, count - len(made))
            made += [self._told(k) for k in self.ask("POST", "/keys/batch", json={"keys": batch})["data"]]
        return made

    @staticmethod
    def _told(made: dict) -> Key:
        keys.remember(made["key"])
        return Key(made["key"], made["id"], made["team"], made["tier"])

    def change(self, key: Key, what: str, **params) -> dict:
        """`suspend`, `resume` or `revoke`."""
        return self.ask("POST", f"/keys/{key.id}/{what}", params=params)

    def usage(self, **query) -> dict[str, dict]:
        """Rows by the group's name, of all pages."""
        rows: dict[str, dict] = {}
        after = None
        while True:
            more = {"after": after} if after else {}
            page = self.ask("GET", "/usage", params={"limit": 10_000, **query, **more})
            rows |= {row["group"]: row for row in page["data"]}
            after = page["next"]
            if not after:
                return rows

    def cli(self, *args: str, code: int = 0) -> str:
        """`gmtech …` as an administrator runs it; its output."""
        env = {
            **os.environ,
            "GMTECH_ADMIN_URL": f"http://127.0.0.1:{self.port}",
            "GMTECH_ADMIN_TOKEN": ADMIN_TOKEN,
        }
        done = subprocess.run(
            [str(paths.gmtech()), *args], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def cli_json(self, *args: str, code: int = 0) -> dict:
        return json.loads(self.cli(*args, "--json", code=code))


def gate(directory: Path, service: Service | int, *, settings: dict | None = None, **options) -> Gate:
    """A gate that gets its keys from the service (or from another program on a port) and, unless given `kinds`, has
    none of its own. `settings` go into the filter's `service` section. With `pages`, people reach the service's pages
    through it."""
    directory.mkdir(exist_ok=True)
    port = service if isinstance(service, int) else service.sync_port
    # The section's token and cluster are filled in as in a deployment.
    config = {**options.pop("config", {}), "service": settings or {}}
    if options.pop("pages", False):
        options["pages"] = service.port
    return Gate(directory, config=config, service=(port, SYNC_TOKEN), **{"kinds": {}, **options})


@contextmanager
def stack(directory: Path, *args: str, gates: int = 1, **options) -> Iterator[tuple[Service, list[Gate]]]:
    """A service and gates that have all its data."""
    service = Service(directory, *args)
    made: list[Gate] = []
    try:
        for number in range(gates):
            made.append(gate(directory / f"gate{number}", service, **options))
        for one in made:
            ready(one)
        yield service, made
        for one in made:
            one.check()
    finally:
        for one in made:
            one.stop()
        service.stop()


def ready(one: Gate) -> None:
    """Waits for the first complete snapshot."""
    wait_until("the first sync", lambda: applied(one) > 0)


def applied(one: Gate) -> int:
    """Answers of the service that the gate has applied."""
    return one.envoy.stat("wasmcustom.gmtech_sync.decision.applied")


def resolves(one: Gate) -> int:
    """How often the gate has asked about one key."""
    return one.envoy.stat("wasmcustom.gmtech_resolves")


def reborn(one: Gate, *, kill: bool = False) -> Envoy:
    """Ends a gate's Envoy, with `kill` as a crash does, and starts another one in its place, with a log of its own."""
    old = one.envoy
    if kill:
        old.process.signal(signal.SIGKILL)
        old.process.wait_exit()
    old.stop()
    number = len(list(old.process.log.parent.glob("envoy*.log")))
    one.envoy = Envoy(one.bootstrap, old.process.log.parent, name=f"envoy{number}")
    one.start_of_test(0, 0)
    return one.envoy


def on_each_worker(one: Gate) -> list[socket.socket]:
    """An open connection to each of its workers."""
    pattern = rf"^listener\..*_{one.port}\.worker_\d+\.downstream_cx_active$"
    found: dict[str, socket.socket] = {}
    before = one.envoy.stats(pattern)
    assert len(before) == 2, before
    spare = []
    while len(found) < len(before):
        s = http1.connect(one.port)
        s.sendall(http1.request("GET", "/healthz"))
        assert http1.receive(s).status == 200
        after = one.envoy.stats(pattern)
        (worker,) = [name for name in after if after[name] > before[name]]
        before = after
        spare.append(s)
        found.setdefault(worker, s)
    for s in spare:
        if s not in found.values():
            # Kept open until all are found: a connection that closes changes the counts.
            s.close()
    return list(found.values())


def whole_rows(log: Path) -> list[dict]:
    """The access log of an Envoy that may have been killed in the middle of a line."""
    rows = []
    for line in log.read_text(errors="replace").split("\n"):
        if line.startswith("{"):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                pass  # the line that it was writing
    return rows
