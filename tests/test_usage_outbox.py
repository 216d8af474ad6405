"""The usage that a VM holds until the service has taken it: its bound, what is dropped first, pauses after failures, and
sums of refusals."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http1, metered
from harness import service as services
from harness.books import agree, counted, events, truth
from harness.fault_proxy import FaultProxy
from harness.waiting import wait_until

pytestmark = pytest.mark.alone

ENDLESS = {"requests_per_minute": 1_000_000, "tokens_per_minute": 100_000_000}


@pytest.fixture
def stand(tmp_path):
    """A service, a proxy in front of it, and a gate with one worker that may hold one MiB of usage."""
    service = services.Service(tmp_path)
    fault_proxy = FaultProxy(service.sync_port)
    with services.gate(tmp_path / "gate", fault_proxy.port, settings={"usage_memory_mib": 1}, concurrency=1) as gate:
        services.ready(gate)
        yield service, fault_proxy, gate
        fault_proxy.behave()
    fault_proxy.stop()
    service.stop()


def counter(gate, name: str) -> int:
    return gate.envoy.stat(f"wasmcustom.gmtech_usage_{name}")


def flood(gate, raw: bytes, count: int, status: int, clients: int = 8) -> None:
    """Sends a request this many times over a few connections, each after the answer to the one before."""
    each = count // clients
    assert each * clients == count

    def ask(_) -> None:
        with http1.connect(gate.port) as s:
            for _ in range(each):
                s.sendall(raw)
                answer = http1.receive(s)
                assert (answer.status, answer.ended) == (status, "complete"), answer.everything()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, range(clients)))


LONG_MODEL = "m" * 256


def test_a_full_outbox_drops_refusals_first_and_counts_what_it_drops(stand):
    service, fault_proxy, gate = stand
    key, revoked = service.key(limits=ENDLESS), service.key()
    wait_until("the keys", lambda: gate.models(revoked).status == 200)
    service.change(revoked, "revoke")
    wait_until("the revocation", lambda: gate.models(revoked).status == 403)
    fault_proxy.hold("usage")
    before = counter(gate, "refusals_dropped")
    assert gate.models(revoked).status == 403
    # About 470 bytes an event: more than a MiB of them.
    asked = 2_800
    body = metered.body(model=LONG_MODEL)
    raw = http1.request("POST", metered.CHAT_PATH, metered.headers(key, "output_tokens=1"), body)
    flood(gate, raw, asked, 200)
    wait_until("events that found no room", lambda: counter(gate, "dropped"))
    assert counter(gate, "refusals_dropped") - before >= 1, "refusals are given up first"
    fault_proxy.behave()

    def arrived() -> int:
        return counted(service).get(key.id, {}).get("requests", 0)

    wait_until("each to be taken or counted as dropped", lambda: arrived() + counter(gate, "dropped") == asked, 20)
    dropped = counter(gate, "dropped")
    assert 0 < dropped < asked / 2
    # The dropped events are in the log.
    again = service.cli_json("usage", "import", str(gate.envoy.process.log))
    assert again["accepted"] == dropped, again
    assert counted(service)[key.id] == truth(gate)[key.id]


def test_eight_posts_are_under_way_while_the_service_is_slow(stand):
    """One at a time would cap a worker at a batch for each answer."""
    service, fault_proxy, gate = stand
    key = service.key(limits=ENDLESS)
    assert metered.post(gate, key).status == 200
    agree(service, gate)
    fault_proxy.hold("usage")

    def all_under_way() -> bool:
        assert metered.post(gate, key).status == 200
        return fault_proxy.held("usage") == 8

    wait_until("eight posts", all_under_way)
    for _ in range(20):
        assert metered.post(gate, key).status == 200
    assert fault_proxy.held("usage") == 8
    fault_proxy.behave()
    agree(service, gate)
    assert counter(gate, "dropped") == 0


def test_posts_pause_longer_after_each_failure_and_nothing_is_lost(stand):
    service, fault_proxy, gate = stand
    key = service.key(limits=ENDLESS)
    fault_proxy.instead("usage", lambda: (503, b""))
    for _ in range(5):
        assert metered.post(gate, key).status == 200
    wait_until("failures", lambda: fault_proxy.count("usage") >= 5, 15)
    at = [call.at for call in fault_proxy.calls if call.kind == "usage"]
    gaps = [later - earlier for earlier, later in zip(at, at[1:], strict=False)]
    for gap, pause in zip(gaps, (0.2, 0.4, 0.8, 1.6), strict=False):
        assert gap >= pause, gaps
    assert counter(gate, "retries") >= 4
    fault_proxy.behave()
    agree(service, gate)
    assert counter(gate, "dropped") == 0


def test_refusals_of_a_revoked_key_are_few_rows_and_each_counts(stand):
    service, _, gate = stand
    key = service.key()
    wait_until("the key", lambda: gate.models(key).status == 200)
    service.change(key, "revoke")
    wait_until("the revocation", lambda: gate.models(key).status == 403)
    asked_before = [row["response_code"] for row in gate.rows() if row.get("key_id") == key.id]
    refused, passed = asked_before.count(403), asked_before.count(200)
    asked = 1_000
    raw = http1.request("GET", "/api/v1/models", [("authorization", key.bearer)])
    flood(gate, raw, asked, 403)
    row = wait_until(
        "all refusals",
        lambda: (r := service.usage()[key.id])["refusals"].get("key_revoked") == refused + asked and r,
        20,
    )
    assert (row["requests"], row["cost_nano_usd"]) == (refused + asked + passed, 0)
    assert len(events(service, f"key_id = '{key.id}' AND decision = 'key_revoked'")) <= 20
    # The log line of a refusal has no event id, so the refusal is not counted again.
    again = service.cli_json("usage", "import", str(gate.envoy.process.log))
    assert again["accepted"] == 0, again
    assert service.usage()[key.id]["requests"] == refused + asked + passed


def pipelined(gate, raw: bytes, count: int) -> None:
    """Sends a request this many times over one connection without waiting for answers. Each is answered 200."""
    with http1.connect(gate.port) as s:
        writer = threading.Thread(target=s.sendall, args=(raw * count,))
        writer.start()
        start, answered, tail = b"HTTP/1.1 200 ", 0, b""
        while answered < count:
            received = s.recv(1 << 16)
            assert received, f"closed after {answered} answers"
            seen = tail + received
            answered += seen.count(start)
            tail = seen[-(len(start) - 1) :]
        writer.join()


def test_at_the_rate_that_one_worker_reaches_nothing_is_dropped(tmp_path):
    """Connections that always have a request waiting keep the worker busy, for many times what one tick takes."""
    with services.stack(tmp_path, concurrency=1) as (service, (gate,)):
        key = service.key(limits={"requests_per_minute": 1_000_000_000})
        assert gate.models(key).status == 200
        asked, connections = 4_000, 8
        raw = http1.request("GET", "/api/v1/models", [("authorization", key.bearer)])
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda _: pipelined(gate, raw, asked), range(connections)))
        reached = 1 + asked * connections
        wait_until("all of it", lambda: counted(service)[key.id]["requests"] == reached, deadline=30)
        assert (counter(gate, "dropped"), counter(gate, "refusals_dropped")) == (0, 0)
