"""Keys of the key service over two Envoys with two workers each: they work at once, and stop everywhere within a second."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http1, measurements
from harness import keys as made_here
from harness import service as services
from harness.waiting import wait_until

# How often a key is revoked. `make soak` says 200.
ROUNDS = int(os.environ.get("GMTECH_REVOCATIONS", "40"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("service"), gates=2) as running:
        yield running


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gates(stack):
    return stack[1]


def test_a_key_works_at_once_until_it_ends_and_its_usage_arrives(service, gates):
    key = service.key()
    for gate in gates:
        assert gate.models(key).status == 200
    service.change(key, "suspend", wait=1000)
    for gate in gates:
        answer = gate.models(key)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert "suspended" in answer.error["message"]
    service.change(key, "resume", wait=1000)
    for gate in gates:
        assert gate.models(key).status == 200
    service.change(key, "revoke", wait=1000)
    for gate in gates:
        answer = gate.models(key)
        assert (answer.status, answer.error["code"]) == (403, "key_revoked")
    # Its owner can see that the key is still in use. These refusals cost nothing.
    refusals = {"invalid_api_key": len(gates), "key_revoked": len(gates)}
    row = wait_until(
        "its usage", lambda: (r := service.usage(key=key.id).get(key.id, {})).get("refusals") == refusals and r
    )
    assert row["cost_nano_usd"] == 0


@pytest.fixture
def workers(gates):
    """A connection to each worker of each gate."""
    sockets = [s for gate in gates for s in services.on_each_worker(gate)]
    yield sockets
    for s in sockets:
        s.close()


def test_a_revoked_key_is_refused_by_every_worker_within_a_second(service, gates, workers):
    """Measures from before the revocation is requested until the first refusal of the last worker."""
    everywhere = []
    for key in service.keys(ROUNDS):
        raw = http1.request("GET", "/api/v1/models", [("authorization", key.bearer)])
        for s in workers:
            s.sendall(raw)
            assert http1.receive(s).status == 200, "a new key works at once"
        began = time.monotonic()
        with ThreadPoolExecutor(1) as revoking:
            done = revoking.submit(service.change, key, "revoke")
            waiting = list(workers)
            while waiting and time.monotonic() < began + 5:
                for s in list(waiting):
                    s.sendall(raw)
                    if (status := http1.receive(s).status) == 403:
                        waiting.remove(s)
                    else:
                        assert status == 200
            everywhere.append(time.monotonic() - began)
            done.result()
        assert not waiting, f"still not refused after {everywhere[-1]:.1f} s"
        # No worker accepts it again.
        for s in workers:
            s.sendall(raw)
            assert http1.receive(s).status == 403
    measurements.distribution("revocation to refusal by 2 Envoys of 2 workers", everywhere)
    assert max(everywhere) < 1.0, sorted(everywhere)[-5:]


def test_the_receipt_of_a_revocation_comes_when_all_proxies_have_it(service, gates):
    times = []
    for key in service.keys(10):
        for gate in gates:
            assert gate.models(key).status == 200
        told_back = service.cli_json("keys", "revoke", key.id, "--wait")
        assert [gate.models(key).status for gate in gates] == [403, 403]
        receipt = told_back["receipt"]
        assert (receipt["live"], receipt["applied"], receipt["complete"], receipt["pending"]) == (2, 2, True, []), receipt
        assert told_back["status"] == "revoked"
        times.append(receipt["took_ms"] / 1000)
    measurements.distribution("receipts of both Envoys after a revocation", times)
    assert max(times) < 1.0


def test_the_receipt_names_a_proxy_that_hangs(service, gates):
    key = service.key()
    hung = gates[1].envoy.process
    hung.signal(signal.SIGSTOP)
    try:
        # 3: done, but not everywhere yet.
        receipt = service.cli_json("keys", "revoke", key.id, "--wait", "500ms", code=3)["receipt"]
    finally:
        hung.signal(signal.SIGCONT)
    assert (receipt["live"], receipt["applied"], receipt["complete"]) == (2, 1, False), receipt
    assert len(receipt["pending"]) == 1 and receipt["pending"][0].startswith("envoy-")
    assert receipt["took_ms"] >= 500
    wait_until("the one that hung to catch up", lambda: gates[1].models(key).status == 403)


def test_a_rotated_key_works_beside_the_new_one_until_the_overlap_ends(service, gates):
    old = service.key()
    assert gates[0].models(old).status == 200
    answer = service.ask("POST", f"/keys/{old.id}/rotate", json={"overlap_seconds": 2})
    rotated = time.monotonic()
    new = service._told(answer)
    for gate in gates:
        assert (gate.models(old).status, gate.models(new).status) == (200, 200)
    refused = wait_until("the old key to end", lambda: (a := gates[0].models(old)).status != 200 and a)
    assert 1 <= time.monotonic() - rotated < 4
    assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
    assert "expired" in refused.error["message"]
    assert gates[0].models(new).status == 200


def test_a_changed_limit_holds_at_once(service, gates):
    key = service.key(tier="free")
    assert gates[0].models(key).header("x-ratelimit-limit-requests") == "60"
    limits = {"requests_per_minute": 60, "requests_burst": 1}
    service.ask("PATCH", f"/keys/{key.id}", json={"limits": limits, "models": ["gpt-4o-mini"]})
    wait_until("the new limit", lambda: gates[0].models(key).status == 429, deadline=1)


PER_SECOND = 20


def test_a_flood_of_unknown_keys_asks_the_service_at_a_bounded_rate(service, gates):
    gate = gates[0]
    known = service.key()
    assert gate.models(known).status == 200
    asked, began = services.resolves(gate), time.monotonic()
    statuses: dict[int, int] = {}
    passed = []

    def flood(_) -> None:
        with http1.connect(gate.port) as s:
            for _ in range(250):
                s.sendall(http1.request("GET", "/api/v1/models", [("authorization", made_here.make().bearer)]))
                status = http1.receive(s).status
                statuses[status] = statuses.get(status, 0) + 1

    with ThreadPoolExecutor(8) as flooding:
        threads = [flooding.submit(flood, n) for n in range(8)]
        with http1.connect(gate.port) as s:
            while not all(t.done() for t in threads):
                start = time.monotonic()
                s.sendall(http1.request("GET", "/api/v1/models", [("authorization", known.bearer)]))
                assert http1.receive(s).status == 200
                passed.append(time.monotonic() - start)
        for thread in threads:
            thread.result()
    took = time.monotonic() - began
    asked = services.resolves(gate) - asked
    measurements.distribution("a known key during a flood of unknown ones", passed)
    measurements.tell(f"a flood of {sum(statuses.values())} unknown keys in {took:.1f} s: the service was asked {asked} times")
    assert statuses == {401: 2000}
    assert 1 <= asked <= PER_SECOND * took + PER_SECOND
    # With no question left, a new key works as soon as the poll has brought it.
    new, made = service.key(), time.monotonic()
    wait_until("the new key", lambda: gate.models(new).status == 200, deadline=1)
    measurements.tell(f"a new key in a flood worked {1000 * (time.monotonic() - made):.0f} ms after it was made")


def test_an_unknown_key_is_asked_about_once_in_a_while(gates):
    gate = gates[1]
    key = made_here.make()
    before = services.resolves(gate)
    assert [gate.models(key).status for _ in range(20)] == [401] * 20
    assert services.resolves(gate) - before == 1
