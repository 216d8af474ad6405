"""The promises of ARCHITECTURE.md about failures that cannot be caused from outside: a VM that traps, host calls that are
refused. The filter of these tests fails on request (`make faults`, `x-fault`). The deployed filter has none of this code.
"""

import pytest

from harness import http1, metered, paths
from harness import service as services
from harness.gate import Gate
from harness.fault_proxy import FaultProxy
from harness.metered import body, charges, limits, post, stream
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    kinds = {
        "steady": (30, "free", {"limits": metered.STEADY}),
        "two": (3, "free", {"limits": {**metered.STEADY, "max_in_flight": 2}}),
    }
    with Gate(tmp_path_factory.mktemp("faults"), kinds=kinds, wasm=paths.faulty_wasm(), vm_may_fail=True) as gate:
        yield gate


@pytest.fixture
def gate(faulty):
    return faulty


def fault(what: str) -> tuple[str, str]:
    return ("x-fault", what)


def trap(gate, key, moment: str) -> None:
    """A request whose VM traps at this moment."""
    before = traps(gate)
    raw = http1.request("POST", metered.CHAT_PATH, metered.headers(key, "", fault(f"trap@{moment}")), body())
    going = metered.Stream(gate.port, raw)
    wait_until("the trap", lambda: traps(gate) > before)
    going.hang_up()


def traps(gate) -> int:
    return gate.log().count("Uncaught RuntimeError")


def passes_again(gate, key) -> None:
    """Waits until each worker has a new VM, which it gets with the next stream."""

    def passed() -> bool:
        asked = [gate.send("GET", "/api/v1/limits", [("authorization", key.bearer)]) for _ in range(12)]
        return all(answer.status == 200 for answer in asked)

    wait_until("new VMs", passed, every=0.05)


def trap_every_worker(gate, key, under_way: int = 0) -> None:
    """Traps every worker, while this many connections are open."""
    active = rf"^listener\..*_{gate.port}\.worker_\d+\.downstream_cx_active$"
    wait_until("earlier connections to close", lambda: sum(gate.envoy.stats(active).values()) == under_way)
    for connection in services.on_each_worker(gate):
        fields = [("authorization", key.bearer), fault("trap@request-head")]
        connection.sendall(http1.request("GET", "/api/v1/models", fields))
        answer = http1.receive(connection)
        assert (answer.status, answer.error["code"]) == (503, "service_unavailable"), "Envoy's own, in the OpenAI shape"
        connection.close()


# Host calls that are refused.


@pytest.mark.parametrize("moment", ["request-head", "request-body"])
def test_a_refused_call_on_the_request_is_a_503_that_can_be_tried_again(gate, moment):
    key = gate.key("steady")
    answer = post(gate, key, None, "", fault(f"refuse@{moment}"))
    assert (answer.status, answer.error["code"]) == (503, "gate_unavailable"), answer.everything()
    assert gate.seen() == [], "nothing passes undecided"
    assert "the host refused a call on the request's" in gate.log()
    assert post(gate, key).status == 200, "one request, and not the gate"
    assert limits(gate, key)["tokens_per_minute"]["used"] <= metered.prompt_tokens() + 8


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("moment", ["answer-head", "answer-body"])
def test_a_refused_call_on_the_answer_lets_the_bytes_pass_and_charges_them(gate, moment, streams):
    key = gate.key("steady")
    data = body(stream=streams, max_tokens=3_000)
    answer = post(gate, key, data, "output_tokens=3000", fault(f"refuse@{moment}"))
    assert (answer.status, answer.ended) == (200, "complete")
    assert answer.body.count(b"two") == 375, "all of it passes"
    (settled,) = charges(gate, key)
    if moment == "answer-head":
        # The first byte shows whether it is JSON or a stream.
        assert (settled.source, settled.output) == ("exact", 3_000)
    else:
        assert settled.source == "estimated"
        assert settled.output >= 3_000
    assert "the host refused a call on the answer's" in gate.log()


def test_a_refused_call_at_the_settlement_leaves_the_reservation_charged(gate):
    """The client has its answer. What was held for it is not given back, so that no failure makes output free."""
    key = gate.key("two")
    answer = post(gate, key, body(max_tokens=3_000), "output_tokens=100", fault("refuse@log"))
    assert (answer.status, answer.ended) == (200, "complete")
    wait_until("the end of the stream", lambda: "the stream was not settled" in gate.log())
    used = limits(gate, key)["tokens_per_minute"]["used"]
    assert used > 2_900, "tokens come back at one a second"
    # Its place is not given back either, and comes free by itself.
    assert limits(gate, key)["max_in_flight"]["used"] == 1
    assert post(gate, key).status == 200, "one stream, and not the gate"
    wait_until("the place to come free", lambda: limits(gate, key)["max_in_flight"]["used"] == 0, deadline=35, every=0.5)


# A VM that traps.


@pytest.mark.parametrize("moment", ["request-head", "request-body", "answer-head", "answer-body", "log"])
def test_a_trap_costs_one_workers_streams_and_no_state(gate, moment):
    key = gate.key("steady")
    before = post(gate, key, body(max_tokens=900), "output_tokens=900")
    assert before.status == 200
    charges(gate, key, 1)
    spent = limits(gate, key)
    trap(gate, key, moment)
    passes_again(gate, key)
    after = limits(gate, key)
    # Tokens come back at one a second; what the trapped request had reserved stays charged.
    assert after["tokens_per_minute"]["used"] >= spent["tokens_per_minute"]["used"] - 60 > 800
    assert post(gate, key).status == 200


def test_places_of_a_vm_that_trapped_come_free_by_themselves(gate):
    """Thirty seconds after they were last renewed, and not earlier."""
    key = gate.key("two")
    going = stream(gate, key, "first_event_ms=60000")
    wait_until("it to be under way", lambda: limits(gate, key)["max_in_flight"]["used"] == 1)
    # So that the trap can hit it at any point.
    trap_every_worker(gate, key, under_way=1)
    passes_again(gate, key)
    assert limits(gate, key)["max_in_flight"]["used"] == 1, "nobody could give it back"
    wait_until("the places to come free", lambda: limits(gate, key)["max_in_flight"]["used"] == 0, deadline=35, every=0.5)
    going.hang_up()
    assert post(gate, key).status == 200


@pytest.fixture
def stack(tmp_path):
    with services.stack(tmp_path, wasm=paths.faulty_wasm(), vm_may_fail=True) as (service, (gate,)):
        yield service, gate


def test_the_pollers_lease_moves_on_and_event_ids_go_on(stack):
    service, gate = stack
    key = service.key(limits={"requests_per_minute": 6000})
    wait_until("the key", lambda: post(gate, key).status == 200)
    for _ in range(3):
        trap_every_worker(gate, key)
        passes_again(gate, key)
        # Whichever worker polls: a new key is known, and a revoked key is refused.
        other = service.key()
        wait_until("a new key", lambda k=other: gate.models(k).status == 200, deadline=5)
        service.change(other, "revoke")
        wait_until("its end", lambda k=other: gate.models(k).status == 403, deadline=5)
        assert post(gate, key).status == 200

    ids = [row["event_id"] for row in gate.rows() if row.get("event_id")]
    assert len(ids) == len(set(ids)), "no id is drawn twice"
    # New VMs post later events. Events that the old VMs had queued are in the log.
    later = service.key()
    wait_until("the key", lambda: post(gate, later).status == 200)
    wait_until("its usage", lambda: service.usage(by="key").get(later.id, {}).get("total_tokens"))
    service.cli_json("usage", "import", str(gate.envoy.process.log))
    counted = service.usage(by="key")[key.id]["total_tokens"]
    assert counted == metered.truth(gate, key)["completed"]["total_tokens"], "the upstream's own count"


def test_polls_that_fail_pause_for_longer_and_longer(tmp_path):
    """For 0.2 s, doubled up to 2 s, so that a service that is down is not flooded."""
    with services.stack(tmp_path) as (service, (behind,)):
        fault_proxy = FaultProxy(service.sync_port)
        fault_proxy.instead("changes", lambda: (500, b""))
        gate = services.gate(tmp_path / "beaten", fault_proxy.port)
        try:
            wait_until("six polls", lambda: fault_proxy.count("changes") >= 6, deadline=30)
            at = [c.at for c in fault_proxy.calls if c.kind == "changes"][:6]
            pauses = [b - a for a, b in zip(at, at[1:], strict=False)]
            # Each pause is at least as long as promised, minus the delay of one tick, even on a slow machine.
            for pause, promised in zip(pauses, [0.2, 0.4, 0.8, 1.6, 2.0], strict=True):
                assert pause >= promised - 0.1, pauses
            fault_proxy.behave()
            wait_until("the first sync", lambda: services.applied(gate) > 0, deadline=10)
        finally:
            gate.stop()


def test_the_deployed_filter_has_no_faults():
    for marker in (b"trap@", b"refuse@"):
        assert marker in paths.faulty_wasm().read_bytes(), "or this looks for the wrong thing"
        assert marker not in paths.wasm().read_bytes()
