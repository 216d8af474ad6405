"""kill -9 of the key service and of Envoy at random moments under load. After the access log is replayed:

- every request that Envoy logged as answered by the upstream is charged once;
- nothing is charged that the upstream did not get;
- a team's balance is its top-ups minus the cost of its keys' events, to the nano-dollar.

Requests that were under way when Envoy was killed have no log line. The upstream may have answered them, and they cannot be
charged. Their number is at most the requests in flight and those of one flush of the log, and is printed at the end of the
run.
"""

import os
import random
import sqlite3
import threading
import time
from pathlib import Path

import h11

from harness import http1, metered, measurements
from harness import service as services
from harness.waiting import wait_until

# How often something is killed. `make soak` says 50.
KILLS = int(os.environ.get("GMTECH_KILLS", "6"))
CLIENTS = 4

# Each imported line of a log has one of these outcomes.
COUNTS = ("accepted", "duplicate", "unknown_key", "malformed", "summed", "unattributed")


class Load(threading.Thread):
    """One client that sends the next request as soon as it has an answer, and reconnects when it is cut off."""

    def __init__(self, port: int, key):
        super().__init__(daemon=True)
        self.port, self.key = port, key
        self.answered = 0
        self.odd: list[str] = []
        self.ending = False
        self.start()

    def run(self) -> None:
        turn = 0
        s = None
        while not self.ending:
            turn += 1
            streamed = {"stream": True} if turn % 3 == 0 else {}
            raw = http1.request("POST", metered.CHAT_PATH, metered.headers(self.key, "output_tokens=5"), metered.body(**streamed))
            try:
                s = s or http1.connect(self.port)
                s.sendall(raw)
                answer = http1.receive(s)
            except (OSError, h11.RemoteProtocolError):
                answer = http1.Answer(ended="refused")
            if answer.ended == "complete" and answer.status == 200:
                self.answered += 1
                continue
            if answer.ended == "complete":
                self.odd.append(answer.everything())
            if s:
                s.close()
            s = None
            time.sleep(0.01)  # what is down is not hammered


def charged(service) -> list[tuple[str, str, int, int]]:
    """id, key, tokens and cost of every event in the database."""
    with sqlite3.connect(f"file:{service.file}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT id, key_id, total, cost FROM events WHERE decision = 'allowed'")
        return [(i.hex(), key, total, cost) for i, key, total, cost in rows]


def test_kill_9_at_random_moments_charges_every_answered_request_once(tmp_path):
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)
    with services.stack(tmp_path) as (service, (gate,)):
        team = service.team(prepaid=True, credit="1000000")
        limits = {"requests_per_minute": 1_000_000, "tokens_per_minute": 100_000_000}
        keys = service.keys(CLIENTS, team, limits=limits)
        wait_until("the keys", lambda: all(gate.models(k).status == 200 for k in keys))
        logs: list[Path] = []
        loads = [Load(gate.port, key) for key in keys]
        killed = {"service": 0, "envoy": 0}
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.05, 0.5))  # the random moment itself
            victim = moments.choice(list(killed))
            killed[victim] += 1
            if victim == "service":
                service.kill()
                time.sleep(moments.uniform(0, 0.3))
                service.start()
            else:
                logs.append(gate.envoy.process.log)
                services.reborn(gate, kill=True)
                services.ready(gate)
        for load in loads:
            load.ending = True
        for load in loads:
            load.join()
        logs.append(gate.envoy.process.log)
        logged = {row["event_id"]: row for log in logs for row in services.whole_rows(log) if row["decision"] == "allowed"}

        for _ in range(2):
            for log in logs:
                done = service.cli_json("usage", "import", str(log))
                assert done["unknown_key"] == 0, done
                assert done["lines"] == sum(done[c] for c in COUNTS), done
        wait_until("what Envoy still held", lambda: service_has_all(gate, service))
        rows = charged(service)

        # Once: the ids are unique, and the sums are those of the events.
        ids = [row[0] for row in rows]
        assert len(ids) == len(set(ids))
        assert set(logged) <= set(ids), f"{len(set(logged) - set(ids))} logged requests are not charged (seed {seed})"
        usage = service.usage(team=team)
        for key in keys:
            mine = [row for row in rows if row[1] == key.id]
            assert (usage[key.id]["requests"] - sum(usage[key.id]["refusals"].values())) == len(mine)
            assert usage[key.id]["total_tokens"] == sum(row[2] for row in mine)
        assert service.balance(team) == 1_000_000 * 10**9 - sum(row[3] for row in rows)
        by_id = {row[0]: row for row in rows}
        for event, row in logged.items():
            assert by_id[event][1:3] == (row["key_id"], int(row.get("tokens_total", 0))), row

        # What clients were answered in full was answered by the upstream; of it only the last moments of a killed Envoy can lack.
        answered = sum(load.answered for load in loads) + len(keys)
        received = sum(sum(s["requests"] for s in sums.values()) for sums in metered.all_truth(gate).values())
        missing = answered - len(ids)
        measurements.tell(
            f"{killed['service']} kills of the service, {killed['envoy']} of Envoy (seed {seed}): {answered} answered requests, "
            f"{len(logged)} logged, {len(ids)} charged once each, {received} seen by the upstream; "
            f"{max(0, missing)} died with an Envoy's unwritten log"
        )
        assert len(ids) <= received
        if killed["envoy"] == 0:
            assert missing <= 0, "nothing can be lost but with Envoy"
        odd = [text for load in loads for text in load.odd if not text.startswith("503")]
        assert not odd, odd[:3]


def service_has_all(gate, service) -> bool:
    """Whether every row of the running Envoy has arrived."""
    ids = {row[0] for row in charged(service)}
    return all(row["event_id"] in ids for row in gate.envoy.rows() if row.get("decision") == "allowed")
