"""The key service when its database fails: the disk is full, the server goes away, the file is no database. The service
says so within a second, still does what is possible (revocations), loses nothing that it has acknowledged, and works again
within five seconds after the cause has ended."""

import json
import secrets
import signal
import subprocess
import threading
import time

import httpx
import pytest

from harness import paths, measurements
from harness import service as services
from harness.disk import NoDisk, SmallDisk
from harness.postgres import Postgres
from harness.waiting import free_port, wait_until

# From the end of the cause until the service is ready.
WELL_WITHIN = 5.0


def readiness(service) -> dict:
    """The answer of `/readyz`, which must arrive within a second (and one more for a slow machine)."""
    began = time.monotonic()
    answer = httpx.get(f"http://127.0.0.1:{service.port}/readyz", trust_env=False, timeout=10)
    assert time.monotonic() - began < 2, "an answer within a second"
    said = answer.json()
    assert said["ready"] == (answer.status_code == 200) == all(check["ok"] for check in said["checks"])
    return said


def why(service, name: str = "write") -> str | None:
    return next(check["why"] for check in readiness(service)["checks"] if check["name"] == name)


def lives(service) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{service.port}/healthz", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def started(*args: str) -> subprocess.CompletedProcess:
    """Runs `gmtech serve`, which is expected to end by itself."""
    command = [str(paths.gmtech()), "serve", "--port", str(free_port()), "--sync-port", str(free_port()), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)


def test_a_database_that_cannot_be_opened_is_one_line_at_once(tmp_path):
    garbage = tmp_path / "gmtech.db"
    garbage.write_bytes(secrets.token_bytes(8192))
    port, password = free_port(), "hunter2-" + secrets.token_hex(8)
    for database, line in [
        (str(garbage), f"gmtech: {garbage} is not a SQLite database"),
        (
            f"postgres://gmtech:{password}@127.0.0.1:{port}/keys",
            f"gmtech: cannot reach PostgreSQL at 127.0.0.1:{port} (database keys): Connection refused",
        ),
    ]:
        began = time.monotonic()
        done = started("--database", database, "--state-dir", str(tmp_path))
        assert time.monotonic() - began < 5
        assert done.returncode == 1
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith(line), done.stderr
        assert password not in done.stdout + done.stderr
    assert garbage.stat().st_size == 8192, "it was left as it was"


@pytest.fixture
def disk(tmp_path):
    try:
        disk = SmallDisk(tmp_path / "disk")
    except (NoDisk, FileNotFoundError) as error:
        measurements.tell(f"a full disk was NOT tested: this machine mounts nothing ({error})")
        pytest.skip("this machine lets nobody mount a file system")
    yield disk
    disk.stop()


def test_a_full_disk_stops_everything_but_revocations_and_only_while_it_is_full(tmp_path, disk):
    service = services.Service(tmp_path, database=str(disk.path / "gmtech.db"), within=disk.within)
    gate = None
    try:
        gate = services.gate(tmp_path / "gate", service)
        services.ready(gate)
        team = service.team(prepaid=True, credit="100")
        active, *ended = service.keys(8, team)
        wait_until("the keys", lambda: all(gate.models(key).status == 200 for key in [active, *ended]))

        def refused():
            answer = service.http.post("/teams", json={"id": f"t-{secrets.token_hex(8)}"})
            assert answer.status_code in (201, 503), answer.text
            return answer.status_code == 503 and answer.json()

        disk.fill()
        # The log of the database has some room of its own.
        error = wait_until("the disk to be full for the service", refused)["error"]
        assert (error["code"], error["type"]) == ("store_unavailable", "server_error")
        assert wait_until("it to be said", lambda: why(service)) == "the disk is full"
        assert lives(service)

        # Suspensions and revocations are written, and the gate learns of them.
        assert service.ask("POST", f"/keys/{ended[0].id}/suspend")["status"] == "suspended"
        for key in ended[1:5]:
            assert service.change(key, "revoke")["status"] == "revoked"
        # A suspended key is a 401, because it may be resumed. A revoked key is a 403.
        statuses = [401, 403, 403, 403, 403]
        wait_until("the revocations", lambda: [gate.models(key).status for key in ended[:5]] == statuses, 3)
        assert gate.models(active).status == 200
        assert refused() and why(service) == "the disk is full", "what was given up is not for others"

        # Also by a service that was killed and started on the full disk.
        service.kill()
        service.start(ready=lives)
        assert service.change(ended[5], "revoke")["status"] == "revoked"
        wait_until("the revocation", lambda: gate.models(ended[5]).status == 403, 5)
        assert refused()

        disk.empty()
        freed = time.monotonic()
        wait_until("the service to be well again", lambda: readiness(service)["ready"], WELL_WITHIN)
        measurements.tell(f"ready {time.monotonic() - freed:.2f} s after a full disk was emptied")
        service.top_up(team, "5")
        assert service.balance(team) <= 105 * 10**9
        for key in ended[1:6]:
            assert service.ask("GET", f"/keys/{key.id}")["status"] == "revoked"
        # Usage that the gate could not report meanwhile is counted now.
        requests = wait_until(
            "the usage of the active key", lambda: service.usage(team=team).get(active.id, {}).get("requests", 0) >= 2
        )
        assert requests
    finally:
        if gate:
            gate.check()
            gate.stop()
        service.stop()


class Maker(threading.Thread):
    """Creates teams without pause, retries what failed, and keeps what was acknowledged."""

    def __init__(self, service, number: int):
        super().__init__(daemon=True)
        self.service, self.number = service, number
        self.made: list[str] = []
        self.failed = 0
        self.odd: list[str] = []
        self.ending = False
        self.start()

    def run(self) -> None:
        with httpx.Client(base_url=self.service.http.base_url, headers=self.service.http.headers, trust_env=False) as http:
            while not self.ending:
                team = f"m{self.number}-{len(self.made)}-{self.failed}"
                try:
                    answer = http.post("/teams", json={"id": team}, timeout=30)
                except httpx.TransportError as error:
                    self.odd.append(repr(error))
                    continue
                if answer.is_success:
                    self.made.append(team)
                else:
                    self.failed += 1
                    if answer.status_code != 503:
                        self.odd.append(answer.text)
                    time.sleep(0.02)  # what is down is not hammered


def test_a_server_that_stops_and_comes_back_loses_nothing(tmp_path):
    server = Postgres()
    service = services.Service(tmp_path, database=server.database("keys"))
    try:
        makers = [Maker(service, number) for number in range(4)]
        wait_until("work", lambda: all(len(maker.made) > 5 for maker in makers))
        worst = 0.0
        for end in (server.down, server.kill):
            end()
            reason = wait_until("the loss to be seen", lambda: why(service), 5)
            assert reason == "the database server cannot be reached"
            assert lives(service)
            failed = [maker.failed for maker in makers]
            wait_until("refusals", lambda: all(m.failed > before for m, before in zip(makers, failed, strict=True)))
            server.start()
            back = time.monotonic()
            wait_until("the service to be well again", lambda: readiness(service)["ready"], WELL_WITHIN)
            worst = max(worst, time.monotonic() - back)
            made = [len(maker.made) for maker in makers]
            wait_until("work", lambda: all(len(m.made) > before for m, before in zip(makers, made, strict=True)))
        measurements.tell(f"ready {worst:.2f} s after PostgreSQL came back")
        for maker in makers:
            maker.ending = True
        for maker in makers:
            maker.join()
        assert not [text for maker in makers for text in maker.odd]
        known, after = set(), None
        while True:
            page = service.ask("GET", "/teams", params={"limit": 500, **({"after": after} if after else {})})
            known |= {team["id"] for team in page["data"]}
            after = page["next"]
            if not after:
                break
        lost = {team for maker in makers for team in maker.made} - known
        assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
    finally:
        service.stop()
        server.stop()


def test_a_service_that_is_told_to_stop_finishes_what_is_under_way_and_says_so_last(tmp_path):
    service = services.Service(tmp_path)
    makers = [Maker(service, number) for number in range(4)]
    wait_until("work", lambda: all(len(maker.made) > 3 for maker in makers))
    service.process.signal(signal.SIGTERM)
    assert service.process.wait_exit() == 0
    for maker in makers:
        maker.ending = True
    for maker in makers:
        maker.join()
    last = json.loads(service.process.output().strip().splitlines()[-1])
    assert last["fields"]["message"] == "the key service has stopped: nothing was under way"
    assert not (tmp_path / "gmtech.db-wal").exists(), "the file is the whole database"
    service.start()
    try:
        for team in [team for maker in makers for team in maker.made]:
            service.ask("GET", f"/teams/{team}")
    finally:
        service.stop()
