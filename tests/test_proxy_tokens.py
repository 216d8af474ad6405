"""The proxies' token is replaced under load, one of two Envoys after the other: at no time does a revoked key pass or is a new one
refused. Then the old token ends, and what still shows it is logged and counted."""

import json
import threading
import time

import h11
import httpx

from harness import service as services
from harness.gate import Gate
from harness.service import SYNC_TOKEN, Service
from harness.waiting import wait_until


class Load:
    """Requests with one key, one after the other, until it is left. A gate that is being restarted takes no connection; what it
    answers counts."""

    def __init__(self, service: Service, gate: Gate):
        self.gate, self.key = gate, service.key()
        self.statuses: list[int] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                status = self.gate.models(self.key).status
                if status:  # an answer, not a connection that was closed before one
                    self.statuses.append(status)
            except (OSError, AssertionError, h11.RemoteProtocolError):
                time.sleep(0.05)  # nobody listens, or not any more

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        self._thread.join()


def new_keys_pass_and_revoked_ones_do_not(service: Service, gates: list[Gate], rounds: int = 3) -> None:
    for _ in range(rounds):
        key = service.key()
        assert [gate.models(key).status for gate in gates] == [200, 200]
        # An Envoy that was replaced counts as live until its window is over.
        told = service.change(key, "revoke", wait=10_000)["receipt"]
        assert told["complete"] and told["live"] >= 2, told
        assert [gate.models(key).status for gate in gates] == [403, 403]


def restart_with(gate: Gate, token: str, old: str = SYNC_TOKEN) -> None:
    gate.bootstrap = json.loads(json.dumps(gate.bootstrap).replace(old, token))
    services.reborn(gate)
    services.ready(gate)


def rejected(service: Service, reason: str) -> int:
    text = httpx.get(f"http://127.0.0.1:{service.port}/metrics", trust_env=False).text
    name = f'gmtech_service_tokens_rejected_total{{listener="sync",reason="{reason}"}} '
    return sum(int(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


def proxies_tokens(service: Service) -> dict[str, dict]:
    tokens = service.cli_json("tokens", "list")["data"]
    return {token["id"]: token for token in tokens if token["role"] == "proxy" and not token["revoked_at"]}


def doctor(service: Service, gate: Gate, code: int) -> dict[str, str]:
    said = service.cli("doctor", "--envoy", f"http://127.0.0.1:{gate.envoy.admin_port}", "--json", code=code)
    return {check["name"]: check["status"] for check in json.loads(said)["checks"]}


def test_the_proxies_token_is_replaced_under_load(tmp_path):
    with services.stack(tmp_path, "--live-window", "4s", gates=2) as (service, gates):
        one, other = gates
        (old,) = proxies_tokens(service)
        with Load(service, one) as load_of_one, Load(service, other) as load_of_other:
            new_keys_pass_and_revoked_ones_do_not(service, gates)
            made = service.cli_json("tokens", "create", "--role", "proxy", "--name", "next")
            new_keys_pass_and_revoked_ones_do_not(service, gates)
            restart_with(other, made["token"])
            new_keys_pass_and_revoked_ones_do_not(service, gates)
            used = {token["last_used_at"] is not None for token in proxies_tokens(service).values()}
            assert used == {True}, "both are in use, and the list says so"
            assert doctor(service, one, code=0)["tokens"] == "warn", "two at a time: one is to go"

            restart_with(one, made["token"])
            new_keys_pass_and_revoked_ones_do_not(service, gates)
            service.cli("tokens", "revoke", old)
            new_keys_pass_and_revoked_ones_do_not(service, gates)
        for load in (load_of_one, load_of_other):
            assert set(load.statuses) == {200} and len(load.statuses) > 50, load.statuses[-5:]
        assert rejected(service, "revoked") == 0, "no Envoy was refused"

        # An old token is refused, counted and logged, without its text.
        poll = f"http://127.0.0.1:{service.sync_port}/sync/v1/changes"
        answer = httpx.get(poll, headers={"authorization": f"Bearer {SYNC_TOKEN}"}, trust_env=False)
        assert answer.status_code == 401 and "revoked at" in answer.json()["error"]["message"]
        assert rejected(service, "revoked") == 1
        (line,) = [line for line in service.output().splitlines() if "a token was rejected" in line]
        fields = json.loads(line)["fields"]
        assert fields["listener"] == "sync" and fields["peer"].startswith("127.0.0.1:")
        assert SYNC_TOKEN not in service.output() and made["token"] not in service.output()
        assert set(doctor(service, one, code=0).values()) <= {"ok", "warn"}

        # Without any valid token the doctor finds out why nothing new is learned, from both sides.
        service.cli("tokens", "revoke", made["id"])
        wait_until("the Envoys to be refused", lambda: rejected(service, "revoked") > 2)
        found = wait_until(
            "a poll to fail while the doctor looks",
            lambda: (found := doctor(service, one, code=1))["sync"] == "fail" and found,
            deadline=20,
        )
        assert (found["tokens"], found["filter"], found["service"]) == ("fail", "ok", "ok")
