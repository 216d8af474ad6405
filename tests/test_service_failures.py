"""The key service fails in every way: known keys go on, unknown keys get a 503 that clients retry and never a 401, and
everything recovers by itself when the service is back."""

import time

import pytest

from harness import keys as made_here
from harness import service as services
from harness.fault_proxy import FaultProxy
from harness.waiting import free_port, wait_until

# From when on answers say that the service is silent, as envoy/README.md tells.
DEGRADED_AFTER = 10.0
DEGRADED = "x-gmtech-degraded"

# The longest pause of the poller between two attempts, and a second for the machine.
BACK_WITHIN = 2.0 + 1.0


def is_retryable(answer) -> bool:
    """Whether it is a 503 that SDKs retry."""
    return answer.status == 503 and answer.header("x-should-retry") != "false" and answer.error["type"] == "server_error"


class Outage:
    """A service, a gate that learns from it, and a way in which the service fails and comes back."""

    def __init__(self, directory, fail, mend, meddled=False, **options):
        directory.mkdir(exist_ok=True)
        self.service = services.Service(directory)
        self.fault_proxy = FaultProxy(self.service.sync_port) if meddled else None
        self.gate = services.gate(directory, self.fault_proxy.port if self.fault_proxy else self.service, **options)
        self._fail, self._mend = fail, mend
        services.ready(self.gate)

    def fail(self):
        self._fail(self)
        self.failed = time.monotonic()

    def mend(self):
        self._mend(self)

    def stop(self):
        if self.fault_proxy:
            self.fault_proxy.behave()
        self.gate.stop()
        if self.fault_proxy:
            self.fault_proxy.stop()
        self.service.stop()


def always(reply):
    """Every call of the gate gets this answer."""

    def fail(outage):
        for kind in ("changes", "resolve", "usage"):
            outage.fault_proxy.instead(kind, lambda: reply)

    return fail


MEND = {"mend": lambda o: o.fault_proxy.behave(), "meddled": True}
OUTAGES = {
    "killed": {"fail": lambda o: o.service.kill(), "mend": lambda o: o.service.start()},
    "hanging": {"fail": lambda o: o.service.pause(), "mend": lambda o: o.service.resume()},
    "rubbish": {"fail": always((200, b"<html>It works!</html>")), **MEND},
    "errors": {"fail": always((500, b"{}")), **MEND},
    "refusing": {"fail": always((401, b"{}")), **MEND},
    "breaking off": {"fail": always(None), **MEND},
}


@pytest.fixture(scope="module")
def outages(tmp_path_factory):
    """All outages side by side, so that the time until they are noticed passes only once."""
    running = {}
    try:
        for name, how in OUTAGES.items():
            running[name] = Outage(tmp_path_factory.mktemp("outage"), **how)
        yield running
    finally:
        for outage in running.values():
            outage.stop()


def test_what_is_known_goes_on_and_the_rest_is_told_to_try_again(outages):
    keys = {}
    for name, outage in outages.items():
        service, gate = outage.service, outage.gate
        active, ended, limited, exhausted, changed = (
            service.key(),
            service.key(),
            service.key(limits={"requests_per_minute": 1, "requests_burst": 1}),
            service.key(service.team(prepaid=True)),
            service.key(),
        )
        service.change(ended, "revoke", wait=2000)
        assert gate.models(active).status == 200
        keys[name] = active, ended, limited, exhausted, changed

    for outage in outages.values():
        outage.fail()

    for name, outage in outages.items():
        active, ended, limited, exhausted, _ = keys[name]
        gate = outage.gate
        assert gate.models(active).status == 200, name
        assert gate.models(ended).status == 403, name
        assert [gate.models(limited).status for _ in range(2)] == [200, 429], name
        assert gate.models(exhausted).error["code"] == "insufficient_quota", name
        assert is_retryable(gate.models(made_here.make())), name

    for name, outage in outages.items():
        if outage.fault_proxy:
            # The service works; only the connection from the gate is broken.
            outage.service.change(keys[name][4], "revoke")

    for name, outage in outages.items():
        gate, active = outage.gate, keys[name][0]
        noticed = wait_until("the silence to be noticed", lambda: (a := gate.models(active)).header(DEGRADED) and a, 15)
        assert noticed.status == 200, name
        assert gate.envoy.stat("wasmcustom.gmtech_degraded") > 0, name
        assert is_retryable(gate.models(made_here.make())), name
        assert gate.models(keys[name][1]).status == 403, name
        assert gate.models(keys[name][4]).status == 200, name
    assert time.monotonic() - outage.failed > DEGRADED_AFTER - 5

    for name, outage in outages.items():
        outage.mend()
        mended = time.monotonic()
        gate, changed = outage.gate, keys[name][4]
        if not outage.fault_proxy:
            outage.service.change(changed, "revoke")
        # A poll that hangs is given up after five seconds.
        patience = BACK_WITHIN + (5 if name == "hanging" else 0)
        wait_until(f"the revocation after {name}", lambda: gate.models(changed).status == 403, patience)
        assert gate.models(keys[name][0]).header(DEGRADED) is None, name
        assert gate.models(made_here.make()).status == 401, name
        assert gate.models(outage.service.key()).status == 200, name
        assert time.monotonic() - mended < patience + 1


def test_past_max_stale_the_gate_refuses_where_it_is_told_to(tmp_path):
    settings = {"max_stale_seconds": 4, "when_stale": "refuse"}
    outage = Outage(tmp_path, lambda o: o.service.kill(), lambda o: o.service.start(), settings=settings)
    try:
        key = outage.service.key()
        gate = outage.gate
        assert gate.models(key).status == 200
        outage.fail()
        assert gate.models(key).status == 200, "not at once"
        refused = wait_until("the refusal", lambda: (a := gate.models(key)).status != 200 and a, 6)
        assert is_retryable(refused)
        # A poll may have been answered up to three seconds before the service died.
        assert 0.5 < time.monotonic() - outage.failed < 5
        outage.mend()
        wait_until("the service to be believed again", lambda: gate.models(key).status == 200, BACK_WITHIN)
    finally:
        outage.stop()


def test_a_gate_that_starts_without_its_service_says_try_again(tmp_path):
    service = services.Service(tmp_path)
    key = service.key()
    service.kill()
    gate = services.gate(tmp_path, service)
    try:
        for anybody in (key, made_here.make()):
            answer = gate.models(anybody)
            assert is_retryable(answer), answer.everything()
            assert answer.header("retry-after")
        # Requests that need no service are answered.
        assert gate.send("GET", "/healthz").status == 200
        assert gate.send("GET", "/api/v1/models", [("authorization", "Bearer sk-another")]).status == 401
        service.start()
        wait_until("the key", lambda: gate.models(key).status == 200, BACK_WITHIN)
        assert gate.models(made_here.make()).status == 401
    finally:
        gate.stop()
        service.stop()


def test_inline_keys_work_without_any_service(tmp_path):
    """Without any service the operator's inline keys still work."""
    gate = services.gate(tmp_path, free_port(), kinds={"team": (1, "team", {})})
    try:
        assert gate.models(gate.key("team")).status == 200
        assert is_retryable(gate.models(made_here.make()))
    finally:
        gate.stop()


@pytest.mark.parametrize("mark", ["kept", "restored as well"])
def test_a_restored_backup_counts_everywhere(tmp_path, mark):
    with services.stack(tmp_path) as (service, (gate,)):
        old, doomed = service.key(), service.key()
        service.stop()
        backup = service.backup(tmp_path / "backup")
        service.start()
        lost = service.keys(5)[0]
        # Wait for a receipt: answers about single keys do not show that the gate is ahead of the backup.
        service.change(doomed, "revoke", wait=5000)
        wait_until("both changes", lambda: (gate.models(doomed).status, gate.models(lost).status) == (403, 200))
        service.stop()
        service.restore(backup, mark=mark == "restored as well")
        service.start()
        # The state is that of the backup: later keys do not exist, and later revocations must be repeated.
        wait_until("the backup's state", lambda: gate.models(lost).status == 401, BACK_WITHIN)
        assert (gate.models(old).status, gate.models(doomed).status) == (200, 200)
        # Changes go on from there.
        service.change(doomed, "revoke", wait=2000)
        assert gate.models(doomed).status == 403
        assert gate.models(service.key()).status == 200


def test_what_a_restore_loses_is_named_and_every_gate_reads_everything_again(tmp_path):
    with services.stack(tmp_path) as (service, (gate,)):
        key, ended = service.key(), service.key()
        backup, of = tmp_path / "backup.db", ("--database", service.database)
        service.cli("db", "backup", *of, str(backup))
        assert service.cli_json("db", "check", "--database", str(backup))["problems"] == []
        service.change(ended, "revoke", wait=2000)
        assert gate.models(ended).status == 403
        service.cli("db", "restore", *of, str(backup), code=4)
        service.stop()
        told = service.cli("db", "restore", *of, str(backup))
        assert f"gmtech keys revoke {ended.id}\n" in told and "these are all changes since the backup" in told, told
        service.start()
        wait_until("the backup's state", lambda: gate.models(ended).status == 200, BACK_WITHIN)
        assert gate.models(key).status == 200
        stale = [(row["action"], row["subject"]) for row in service.ask("GET", "/restored")["data"]]
        assert stale == [("key.revoke", ended.id)]
        service.change(ended, "revoke", wait=2000)
        assert gate.models(ended).status == 403
        assert ended.id in service.cli("db", "lost")
        service.cli("db", "lost", "--seen-to")
        assert service.ask("GET", "/restored")["data"] == []
        assert service.cli_json("db", "check", *of)["problems"] == []


def test_a_restart_loses_nothing(tmp_path):
    with services.stack(tmp_path) as (service, (gate,)):
        key, ended = service.key(), service.key()
        assert gate.models(key).status == 200
        for crash in (service.kill, service.stop):
            crash()
            assert gate.models(key).status == 200
            service.start()
            assert gate.models(key).status == 200
        service.change(ended, "revoke")
        wait_until("the revocation", lambda: gate.models(ended).status == 403, BACK_WITHIN)
